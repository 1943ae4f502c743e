"""What mmengine's Runner lacks for tracking."""
