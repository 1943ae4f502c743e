"""Hooks for checkpoints, compilation, data, dropout and test videos."""

from .atomic_checkpoint_hook import AtomicCheckpointHook
from .compile_hook import CompileHook
from .data_report_hook import DataReportHook
from .dropout_seed_hook import DropoutSeedHook
from .sequence_video_hook import SequenceVideoHook
