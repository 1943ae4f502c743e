"""Boxes, crop windows, and what a tracker does with them."""
