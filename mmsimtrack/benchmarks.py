"""The benchmarks: a table with a row for each, and what takes the rows.

A config names the test set of a row: `dict(type='Benchmark', name='lasot')`;
`tools/test.py --benchmark` and the scores of result files take the same rows.
"""

from dataclasses import dataclass

from mmengine.config import Config

from mmsimtrack.registry import DATASETS

_LASOT = 'IV POC DEF MB CM ROT BC VC SV FOC FM OV LR ARC'


@dataclass(frozen=True)
class Benchmark:
    """What this library knows of one benchmark.

    Attributes:
        dataset: Config of the test set.
        num_sequences: Number of its sequences; None: any.
        profile: Name of the rules by which the benchmark is scored, unless
            the user asks for others; see `get_profile`.
        attributes: Names of the attributes of sequences, in the order of the
            files that come with the kit.
        server: Whether a server scores the results: only first boxes are
            public.
    """

    dataset: dict
    num_sequences: int | None = None
    profile: str = 'official'
    attributes: str = ''
    server: bool = False


def _dataset(type_: str, folder: str, split: str | None = None) -> dict:
    cfg = dict(type=type_, data_root=f'data/{folder}')
    return cfg | dict(split=split) if split else cfg


BENCHMARKS = {
    'lasot': Benchmark(
        _dataset('LaSOTDataset', 'lasot', 'test'), 280, attributes=_LASOT
    ),
    'lasot_ext': Benchmark(
        _dataset('LaSOTDataset', 'lasot_ext', 'ext'), 150, attributes=_LASOT
    ),
    'tnl2k': Benchmark(
        _dataset('TNL2KDataset', 'tnl2k', 'test'),
        700,
        attributes='CM ROT DEF FOC IV OV POC VC SV BC MB ARC LR FM AS TC MS',
    ),
    'uav123': Benchmark(
        _dataset('UAV123Dataset', 'uav123'),
        123,
        attributes='SV ARC LR FM FOC POC OV BC IV VC CM SOB',
    ),
    'otb100': Benchmark(
        _dataset('OTB100Dataset', 'otb100'),
        100,
        # the Matlab code refuses the shorter results that circulate
        'pytracking',
        attributes='IV OPR SV OCC DEF MB FM IPR OV BC LR',
    ),
    'nfs': Benchmark(_dataset('NfSDataset', 'nfs'), 100, 'pytracking'),
    'got10k': Benchmark(
        _dataset('Got10kDataset', 'got10k', 'test'),
        180,
        'got10k',
        server=True,
    ),
    'trackingnet': Benchmark(
        _dataset('TrackingNetDataset', 'trackingnet', 'test'),
        511,
        'trackingnet',
        server=True,
    ),
    'vasttrack': Benchmark(
        _dataset('VastTrackDataset', 'vasttrack', 'test'),
        3500,
        attributes='LR SV FM ARC IV INV DEF ROT BC MB',
    ),
    # videos of your own; docs/en/customize_dataset.md lists other layouts
    'custom': Benchmark(_dataset('FolderDataset', 'custom'), None, 'stark'),
}


def dataset_config(cfg: dict) -> dict:
    """Replace the name of a benchmark by the config of its test set.

    Args:
        cfg: Config of a data set. What it holds besides `type='Benchmark'`
            and `name` overrides the row. Other configs stay as they are.

    Raises:
        ValueError: If there is no such benchmark.
    """
    if cfg.get('type') != 'Benchmark':
        return dict(cfg)
    name, options = cfg.get('name'), dict(cfg)
    if name not in BENCHMARKS:
        raise ValueError(
            f'Found benchmark {name!r}, expected one of {list(BENCHMARKS)}. '
            'Correct `name` in the config of the data set.'
        )
    del options['type'], options['name']
    return {**BENCHMARKS[name].dataset, **options}


@DATASETS.register_module('Benchmark')
def build_test_set(name: str, **options):
    """Build the test set of a benchmark; options override its row."""
    cfg = dict(type='Benchmark', name=name, **options)
    return DATASETS.build(dataset_config(cfg))


def use_benchmark(
    cfg: Config, name: str | None, profile: str | None = None
) -> None:
    """Let a config test on another benchmark, by the rules of a profile.

    Args:
        cfg: Config of a test. Its metrics stay; an `OPEMetric` learns the
            benchmark and the profile.
        name: The benchmark. None: that of the config.
        profile: Whose rules apply. None: those of the config, or if a
            benchmark is given, its own.
    """
    changes = dict(profile=profile) if name or profile else {}
    if name:
        changes['benchmark'] = name
        cfg.test_dataloader.dataset = dict(
            type='Benchmark', name=name, test_mode=True
        )
    evaluator = cfg.test_evaluator
    for metric in evaluator if isinstance(evaluator, list) else [evaluator]:
        if metric['type'] == 'OPEMetric':
            metric.update(changes)
