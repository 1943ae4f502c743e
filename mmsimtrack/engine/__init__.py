"""Loops and hooks that a tracker needs and mmengine's Runner lacks."""
