"""Loops."""

from .pair_train_loop import PairTrainLoop
from .pair_val_loop import PairValLoop
from .sequence_test_loop import SequenceTestLoop

__all__ = ['PairTrainLoop', 'PairValLoop', 'SequenceTestLoop']
