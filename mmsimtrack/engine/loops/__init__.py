"""Loops of training, validation and testing."""

from .pair_loops import PairTrainLoop, PairValLoop
from .sequence_test_loop import SequenceTestLoop
