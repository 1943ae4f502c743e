"""Keys of training pairs."""

from collections.abc import Iterator

from mmengine.dist import get_dist_info
from torch.utils.data import Sampler

from mmsimtrack.registry import DATA_SAMPLERS


@DATA_SAMPLERS.register_module()
class PairSampler(Sampler):
    """Yields keys `(seed, k)`; k runs on through the epochs.

    Rank r of W takes every W-th key, so a global batch holds the same keys
    whatever the number of ranks, and no key comes twice.

    Args:
        dataset: A `PairDataset`; only named here, keys have no end.
        num_pairs: Pairs per epoch over all ranks; cut to a multiple of the
            number of ranks.
        seed: Of the Runner: `randomness = dict(seed=...)` in the config.

    Raises:
        ValueError: If there is no seed: one that is drawn later by the Runner
            would not be the sampler's, and no run could be resumed.
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
        self.epoch = 0

    def __len__(self) -> int:
        """Pairs per epoch of this rank."""
        return self.num_pairs // self.world_size

    def __iter__(self) -> Iterator[tuple[int, int]]:
        """Keys of this rank in this epoch."""
        start = self.epoch * self.num_pairs + self.rank
        for i in range(len(self)):
            yield self.seed, start + i * self.world_size

    def set_epoch(self, epoch: int) -> None:
        """Called by mmengine before each epoch, also after a resume."""
        self.epoch = epoch
