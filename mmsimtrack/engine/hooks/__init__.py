"""Hooks: checkpoints, repeatable dropout, videos of tests."""

from .atomic_checkpoint_hook import AtomicCheckpointHook
from .dropout_seed_hook import DropoutSeedHook
from .sequence_video_hook import SequenceVideoHook

__all__ = ['AtomicCheckpointHook', 'DropoutSeedHook', 'SequenceVideoHook']
