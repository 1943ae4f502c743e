"""Trackers."""

from .distilled_tracker import DistilledTracker
from .sot_tracker import SOTTracker
from .track_state import TrackState

SimTrack = SOTTracker  # its first name
