"""Trackers."""

from .simtrack import SimTrack, TrackState

__all__ = ['SimTrack', 'TrackState']
