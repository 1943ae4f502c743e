"""Loops."""

from .pair_train_loop import PairTrainLoop
from .sequence_test_loop import SequenceTestLoop

__all__ = ['PairTrainLoop', 'SequenceTestLoop']
