"""Loops."""

from .sequence_test_loop import SequenceTestLoop

__all__ = ['SequenceTestLoop']
