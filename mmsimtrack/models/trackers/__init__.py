"""Trackers."""

from .simtrack import SimTrack
from .track_state import TrackState

__all__ = ['SimTrack', 'TrackState']
