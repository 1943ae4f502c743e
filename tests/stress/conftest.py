"""What the stress tests need of the other tests."""
