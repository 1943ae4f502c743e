"""How the crops of a model reach its training pairs."""

from collections.abc import Mapping

from torch.utils.data import Dataset

from mmsimtrack.datasets.pair_dataset import PairDataset
from mmsimtrack.registry import DATASETS


def fill_pairs(dataset: dict | Dataset, model: Mapping) -> dict | Dataset:
    """Fill the config of a pair data set with the crops of a model.

    Training and validation loop call it, and all tools that draw pairs, so
    that sizes and jitter stand in the config of the model only.

    Args:
        dataset: Any data set, or its config; only the config of a
            `PairDataset` is filled. A `jitter` of its own stays.
        model: Config of a tracker: `exemplar`, `search` and, in `train_cfg`,
            `jitter`.

    Returns:
        What to build.

    Raises:
        ValueError: If the data set has crops that are not the model's.
    """
    kind = dataset.get('type') if isinstance(dataset, dict) else None
    kind = DATASETS.get(kind) if isinstance(kind, str) else kind
    if not (isinstance(kind, type) and issubclass(kind, PairDataset)):
        return dataset
    crops = {v: model[v] for v in ('exemplar', 'search') if v in model}
    for view, crop in crops.items():
        if view in dataset and dataset[view] != crop:
            raise ValueError(
                f'The pairs have {view}={dict(dataset[view])}, but the model '
                f'has {dict(crop)}. Leave {view} out of the data set: pairs '
                f'are cut as model.{view} says.'
            )
    train_cfg = model.get('train_cfg') or {}
    if 'jitter' in train_cfg:
        crops['jitter'] = train_cfg['jitter']
    return {**crops, **dataset}
