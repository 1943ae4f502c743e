"""The benchmarks: a table with a row for each, and what takes the rows.

A config names the test set of a row: `dict(type='Benchmark', name='lasot')`;
`tools/test.py --benchmark` and the scores of result files take the same rows.
"""

from dataclasses import dataclass

from mmengine.config import Config

from mmsimtrack.registry import DATASETS

# names of attributes, in the order of the files that come with the kits
_LASOT = 'IV POC DEF MB CM ROT BC VC SV FOC FM OV LR ARC'
_TNL2K = 'CM ROT DEF FOC IV OV POC VC SV BC MB ARC LR FM AS TC MS'
_UAV123 = 'SV ARC LR FM FOC POC OV BC IV VC CM SOB'
_OTB100 = 'IV OPR SV OCC DEF MB FM IPR OV BC LR'
_VASTTRACK = 'LR SV FM ARC IV INV DEF ROT BC MB'


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


def _row(name: str, dataset: str, split: str | None, *args, **kwargs):
    """Make the entry of the table for a benchmark in `data/<name>`."""
    cfg = dict(type=f'{dataset}Dataset', data_root=f'data/{name}')
    cfg |= dict(split=split) if split else {}
    return name, Benchmark(cfg, *args, **kwargs)


BENCHMARKS = dict(
    [
        _row('lasot', 'LaSOT', 'test', 280, attributes=_LASOT),
        _row('lasot_ext', 'LaSOT', 'ext', 150, attributes=_LASOT),
        _row('tnl2k', 'TNL2K', 'test', 700, attributes=_TNL2K),
        _row('uav123', 'UAV123', None, 123, attributes=_UAV123),
        # the Matlab code of OTB refuses the shorter results that circulate
        _row('otb100', 'OTB100', None, 100, 'pytracking', _OTB100),
        _row('nfs', 'NfS', None, 100, 'pytracking'),
        _row('got10k', 'Got10k', 'test', 180, 'got10k', server=True),
        _row(
            'trackingnet',
            'TrackingNet',
            'test',
            511,
            'trackingnet',
            server=True,
        ),
        _row('vasttrack', 'VastTrack', 'test', 3500, attributes=_VASTTRACK),
        # videos of your own; docs/en/customize_dataset.md lists other layouts
        _row('custom', 'Folder', None, None, 'stark'),
    ]
)


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
