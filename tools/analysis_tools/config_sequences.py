"""The test set of a config."""

from mmengine.config import Config

import mmsimtrack  # noqa: F401  (checks the installation first)
from mmsimtrack.datasets import VideoSequence
from mmsimtrack.registry import DATASETS


def load_test_set(
    config: str, options: dict | None
) -> tuple[Config, list[VideoSequence]]:
    """A config, and the sequences of its test set.

    Args:
        config: Config file.
        options: Settings to change: keys with dots.

    Raises:
        OSError: If the config or data are missing.
        ValueError: If the config has no test set.
    """
    cfg = Config.fromfile(config)
    cfg.merge_from_dict(options or {})
    if not cfg.get('test_dataloader'):
        raise ValueError(
            f'{config} has no test_dataloader. Give the config of the test.'
        )
    # a test checked the frames already
    dataset = DATASETS.build(
        {**cfg.test_dataloader.dataset, 'test_mode': False}
    )
    return cfg, [dataset.get_sequence(i) for i in range(len(dataset))]
