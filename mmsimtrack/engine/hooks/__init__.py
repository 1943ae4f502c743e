"""Hooks."""

from .atomic_checkpoint_hook import AtomicCheckpointHook
from .sequence_video_hook import SequenceVideoHook

__all__ = ['AtomicCheckpointHook', 'SequenceVideoHook']
