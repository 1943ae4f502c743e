"""Export of trackers for programs without mmsimtrack or without torch."""
