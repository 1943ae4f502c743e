"""Validate on pairs."""

from mmengine.runner import Runner, ValLoop

from mmsimtrack.datasets import fill_pairs
from mmsimtrack.registry import LOOPS


@LOOPS.register_module()
class PairValLoop(ValLoop):
    """mmengine's loop, on pairs that are cut as the model says.

    Args:
        runner: The runner; its config has the model.
        dataloader: Config of the pairs; see `fill_pairs`.
        **kwargs: Of mmengine's `ValLoop`.
    """

    def __init__(self, runner: Runner, dataloader: dict, **kwargs) -> None:
        super().__init__(runner, filled(dataloader, runner), **kwargs)


def filled(dataloader: dict, runner: Runner) -> dict:
    """Fill the pairs of a dataloader's config with the model's crops."""
    if not isinstance(dataloader, dict):  # built by the caller
        return dataloader
    model = runner.cfg.get('model', {})
    return {**dataloader, 'dataset': fill_pairs(dataloader['dataset'], model)}
