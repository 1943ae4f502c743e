"""A sampler of the keys of training pairs."""

from collections.abc import Iterator

from mmengine.dist import get_dist_info
from torch.utils.data import Sampler

from mmsimtrack.registry import DATA_SAMPLERS


@DATA_SAMPLERS.register_module()
class PairSampler(Sampler):
    """A sampler that yields keys `(seed, k)`; k runs on through the epochs.

    Rank r of W takes every W-th key, so a global batch holds the same keys
    whatever the number of ranks, and no key comes twice.

    Args:
        dataset: A `PairDataset`; only named here, keys have no end.
        num_pairs: Pairs per epoch over all ranks; cut to whole steps of all
            ranks, see `step_size`.
        seed: Of the Runner: `randomness = dict(seed=...)` in the config.

    Raises:
        ValueError: If there is no seed: one that is drawn later by the Runner
            would not be the sampler's, and no run could be resumed.

    Attributes:
        step_size: Pairs of a rank in one step of the optimizer; set by
            `PairTrainLoop`, which knows the batches. An epoch has whole steps
            only, so 8 ranks and one rank with 8 times the batch see the same.
    """

    def __init__(self, dataset, num_pairs: int, seed: int | None) -> None:
        if seed is None:
            raise ValueError(
                'PairSampler: seed is None, expected a number. Set '
                'randomness = dict(seed=...) in the config, without '
                'diff_rank_seed.'
            )
        self.rank, self.world_size = get_dist_info()
        self.num_pairs = num_pairs
        self.seed = seed
        self.step_size = 1
        self.set_epoch(0)

    def __len__(self) -> int:
        """Count the pairs of this rank in an epoch."""
        steps = self.num_pairs // (self.world_size * self.step_size)
        return steps * self.step_size

    def __iter__(self) -> Iterator[tuple[int, int]]:
        """Yield the keys of this rank in this epoch."""
        start = self.epoch * self.num_pairs + self.rank
        for i in range(self.first, len(self)):
            yield self.seed, start + i * self.world_size

    def set_epoch(self, epoch: int, first: int = 0) -> None:
        """Choose the epoch, and where in it to begin.

        Args:
            epoch: Number of the epoch, from 0.
            first: How many of this rank's pairs a resumed run has seen.
        """
        self.epoch = epoch
        self.first = first
