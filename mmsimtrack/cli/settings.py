"""Checks of a config before anything slow begins."""

import math
import re
import warnings
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import suppress
from difflib import get_close_matches
from fnmatch import fnmatchcase
from inspect import Parameter, signature
from multiprocessing import get_all_start_methods
from numbers import Integral, Real

from mmengine.config import Config
from mmengine.hooks import CheckpointHook, EMAHook
from mmengine.model import BaseModule
from mmengine.runner import FlexibleRunner, Runner
from torch.utils.data import DataLoader

from mmsimtrack import registry
from mmsimtrack.benchmarks import dataset_config
from mmsimtrack.fileio import PathLike, read_config
from mmsimtrack.registry import DATASETS, MODELS

# what a config may hold at its top: what runners take, and their kind
TOP = {*signature(Runner).parameters, *signature(FlexibleRunner).parameters}
TOP |= {'custom_imports', 'env_cfg', 'log_processor', 'runner_type'}
TOP -= {'cfg'}  # the config itself
# the keys of dictionaries that are read by name, where others would be ignored
LOADER = {*signature(DataLoader).parameters, 'num_batch_per_epoch'}
KEYS = {
    'train_dataloader': LOADER,
    'val_dataloader': LOADER,
    'test_dataloader': LOADER,
    'optim_wrapper.clip_grad': 'max_norm norm_type error_if_nonfinite foreach '
    'clip_value',
    'default_hooks.checkpoint': {
        *signature(CheckpointHook).parameters,
        *signature(Runner.save_checkpoint).parameters,
        *('type', 'priority'),
    },
    'train_dataloader.dataset.sampling': 'max_gap min_frames min_visible mode',
    'model.exemplar': 'size factor',
    'model.search': 'size factor',
    'model.backbone.arch': 'embed_dims num_layers num_heads depths '
    'feedforward_channels',
    'model.train_cfg': 'jitter',
    'model.train_cfg.jitter': 'center scale',
    'auto_scale_lr': 'base_batch_size enable',
    'env_cfg': 'cudnn_benchmark mp_cfg dist_cfg resource_limit',
    'env_cfg.mp_cfg': 'mp_start_method opencv_num_threads',
    'randomness': 'seed diff_rank_seed deterministic',
    'optim_wrapper.paramwise_cfg': 'custom_keys base_lr_mult norm_decay_mult '
    'bias_lr_mult bias_decay_mult dwconv_decay_mult bypass_duplicate '
    'dcn_offset_lr_mult flat_decay_mult num_layers pretrained_lr_mult',
}
HOOKS = 'runtime_info timer sampler_seed logger param_scheduler checkpoint'
# what looks up the types in each part of a config
REGISTRIES = {
    'model': 'MODELS WEIGHT_INITIALIZERS',
    'dataloader': 'DATASETS DATA_SAMPLERS TRANSFORMS FUNCTIONS',
    'cfg': 'LOOPS',
    'evaluator': 'METRICS',
    'wrapper': 'OPTIM_WRAPPERS OPTIMIZERS',
    'scheduler': 'PARAM_SCHEDULERS',
    'hooks': 'HOOKS',
}
# arguments that builders take before they call a class
BUILDERS = {'type', 'priority', 'constructor', 'paramwise_cfg', '_scope_'}
BUILDERS |= {'convert_to_iter_based', 'requires_grad'}


def _whole(least: int) -> tuple[str, Callable]:
    def fits(value) -> bool:
        is_whole = isinstance(value, Integral) and value is not True
        return is_whole and value is not False and value >= least

    return f'a whole number, {least} or more', fits


def _is_number(value) -> bool:
    is_number = isinstance(value, Real) and not isinstance(value, bool)
    return is_number and math.isfinite(value)


def _are_ratios(value) -> bool:
    numbers = isinstance(value, (list, tuple)) and all(map(_is_number, value))
    return numbers and min(value, default=-1) >= 0 and sum(value) > 0


def _part_of(*types: type) -> tuple[str, Callable]:
    """Make the rule for a part of a config."""
    names = ' or '.join(type_.__name__ for type_ in types)
    expected = f'a {names}, or None'
    return expected, lambda x: x is None or isinstance(x, types)


def _one_of(*values) -> tuple[str, Callable]:
    """Make the rule for a setting with a few values."""
    return f'one of {", ".join(map(str, values))}', values.__contains__


NEEDED = {
    'train': ('model', 'train_dataloader', 'train_cfg', 'optim_wrapper'),
    'test': ('model', 'test_dataloader', 'test_cfg', 'test_evaluator'),
}
# patterns of settings -> what their values must be: words, and a function
RULES = {
    'train_cfg.max_epochs train_cfg.val_interval train_cfg.val_begin '
    '*_dataloader.batch_size train_dataloader.sampler.num_pairs '
    '*.sampling.max_gap *.sampling.min_frames default_hooks.logger.interval '
    'optim_wrapper.accumulative_counts test_cfg.num_slots '
    'model.exemplar.size model.search.size model.backbone.patch_size '
    'model.backbone.arch.embed_dims model.backbone.arch.num_heads '
    'model.head.channels': _whole(1),
    '*_dataloader.num_workers randomness.seed *.foveal_size': _whole(0),
    '*.sampling.min_visible': _whole(2),
    'default_hooks.checkpoint.interval *.max_keep_ckpts': (
        'a whole number above 0, or -1 for never',
        lambda x: x == -1 or _whole(1)[1](x),
    ),
    'optim_wrapper.clip_grad.max_norm auto_scale_lr.base_batch_size '
    'model.exemplar.factor model.search.factor': (
        'a number above 0',
        lambda x: _is_number(x) and x > 0,
    ),
    'optim_wrapper.optimizer.lr optim_wrapper.optimizer.weight_decay '
    'model.clip_margin model.train_cfg.jitter.*': (
        'a number, 0 or more',
        lambda x: _is_number(x) and x >= 0,
    ),
    '*.prob *.prob.exemplar *.prob.search': (
        'a probability, 0 to 1',
        lambda x: isinstance(x, Mapping) or (_is_number(x) and 0 <= x <= 1),
    ),
    '*_dataloader.dataset': ('a dict', lambda x: isinstance(x, Mapping)),
    'train_dataloader.dataset.ratios': (
        'numbers, 0 or more, not all of them 0',
        _are_ratios,
    ),
    'resume randomness.deterministic randomness.diff_rank_seed': (
        'True or False',
        lambda x: isinstance(x, bool),
    ),
    'test_cfg.resume': _part_of(bool),
    'load_from': _part_of(str),
    'test_cfg.amp_dtype': _one_of(None, 'float16', 'bfloat16'),
    'log_level': _one_of('DEBUG', 'INFO', 'WARNING', 'ERROR'),
    'env_cfg.mp_cfg.mp_start_method': _one_of(*get_all_start_methods()),
    'custom_hooks': _part_of(list),
    'default_hooks default_hooks.checkpoint default_hooks.logger test_cfg '
    'val_cfg val_dataloader': _part_of(dict),
    'param_scheduler test_evaluator val_evaluator': _part_of(dict, list),
}


def read_settings(
    path: PathLike, options: Mapping[str, object], training: bool = False
) -> Config:
    """Read a config, change it by `--cfg-options`, and check all of it.

    Args:
        path: The config file.
        options: Values of settings, by their names with dots.
        training: See `check_settings`.

    Raises:
        FileNotFoundError: If there is no such file.
        ValueError: If it cannot be read; see also `change_settings`.
    """
    cfg = read_config(path)
    change_settings(cfg, options, training)
    return cfg


def change_settings(
    cfg: Config, options: Mapping[str, object], training: bool = False
) -> None:
    """Change a config by `--cfg-options`, and check all of it.

    Args:
        cfg: The config as it was read.
        options: Values of settings, by their names with dots.
        training: See `check_settings`.

    Raises:
        ValueError: If a setting would have no effect, or makes no sense.
    """
    for key in {key.partition('.')[0] for key in options} & {*cfg} - TOP:
        parts = (x for top in TOP & {*cfg} for x in _walk(top, cfg[top]))
        places = sorted(place for place, x in parts if x == cfg[key])
        warnings.warn(
            f'--cfg-options: {key} has no effect, since {cfg.filename} uses '
            f'it while it is read. Set {" and ".join(places) or "others"}.',
            stacklevel=2,
        )
    try:
        cfg.merge_from_dict(options)
    except (LookupError, TypeError) as error:
        raise ValueError(f'--cfg-options: {error.args[0]}') from None
    check_settings(cfg, training)


def check_settings(cfg: Config, training: bool = False) -> None:
    """Refuse settings without effect, and values that make no sense.

    Args:
        cfg: The config.
        training: Whether losses are checked, too; to import those of mmdet
            takes seconds.

    Raises:
        ValueError: Names the setting and what is expected.
    """
    unused, where = list(_without_effect(cfg)), str(cfg.filename)
    for key in unused:
        _check_key(key, {*TOP, *cfg} - {*unused}, where)
    for top, whole in cfg.items():
        names = REGISTRIES.get(top.rpartition('_')[2], '').split()
        registries = [getattr(registry, name) for name in names]
        for place, part in _walk(top, whole):
            _check_value(place, part, where)
            if hasattr(part, 'keys'):
                is_known = training or '.loss_' not in place
                _check_keys(place, part, registries * is_known, where)


def _walk(place: str, part) -> Iterator[tuple[str, object]]:
    """Yield a part of a config and all parts of it, with their places."""
    yield place, part
    children = enumerate(part) if isinstance(part, (list, tuple)) else ()
    for key, each in part.items() if hasattr(part, 'keys') else children:
        yield from _walk(f'{place}.{key}', each)


def _check_value(place: str, value, where: str) -> None:
    """Refuse a value against the rules."""
    for patterns, (expected, fits) in RULES.items():
        is_meant = any(fnmatchcase(place, p) for p in patterns.split())
        if is_meant and not fits(value):
            raise ValueError(
                f'{place} is {value!r}, expected {expected}. Change it in '
                f'{where} or in --cfg-options.'
            )


def _check_keys(
    place: str, part: Mapping, registries: list, where: str
) -> None:
    """Refuse keys that nothing reads.

    Args:
        place: Name of the setting.
        part: Its value. The keys are arguments of what its `type` names, if
            it has one.
        registries: What knows the types; types are not looked up if empty.
        where: File, for the error.
    """
    known = KEYS.get(place)
    if isinstance(known, str):
        known = {*known.split(), 'type'}
    for key in part if known else ():
        _check_key(f'{place}.{key}', known, where)
    for hook in part if place == 'default_hooks' else ():
        if near := get_close_matches(hook, HOOKS.split(), 1, 0.8):
            _check_key(f'{place}.{hook}', near, where)
    name = part.get('type', 'OptimWrapper' * (place == 'optim_wrapper'))
    if registries and name and isinstance(name, str):
        class_ = _find_type(f'{place}.type', name, registries)
        known = _find_arguments(class_)
        if class_ is EMAHook:  # which hands the rest on
            mean = part.get('ema_type', 'ExponentialMovingAverage')
            mean = _find_type(f'{place}.ema_type', mean, [MODELS])
            known = {*signature(EMAHook).parameters} | _find_arguments(mean)
        for key in part if known else ():
            if key not in BUILDERS:
                _check_key(f'{place}.{key}', known, where)


def _find_type(place: str, name: str, registries: list):
    """Look up what a `type` names.

    Raises:
        ValueError: If nothing has that name; names the nearest one.
    """
    for known in registries:
        with suppress(RuntimeError):  # of mmengine, for unknown names
            if found := known.get(name):
                return found
    # what is registered in mmengine, too, such as the optimizers of PyTorch
    known = {each for own in registries for each in (own, own.parent) if each}
    names = {name for each in known for name in each.module_dict}
    (near,) = get_close_matches(name, names, 1, 0)
    raise ValueError(
        f'{place} is {name!r}, which nothing registers. Did you mean {near}? '
        'Correct it, or import the module of your own in custom_imports.'
    )


def _find_arguments(class_) -> set[str]:
    """Name what a class and its parents take; nothing if they take any."""
    found, is_closed = set(), False
    # a child of BaseModule may hand arguments on to a part of it
    for each in class_.__mro__[:-1] if isinstance(class_, type) else ():
        if '__init__' in vars(each):
            arguments = signature(each.__init__).parameters
            found |= set(arguments)
            kinds = {argument.kind for argument in arguments.values()}
            takes_any = Parameter.VAR_KEYWORD in kinds
            is_closed |= not takes_any and each is not BaseModule
    return found if is_closed else set()


def _without_effect(cfg: Config) -> Iterator[str]:
    """Yield keys that no runner takes, and no line of the config uses."""
    text = re.sub(r'#.*', '', cfg.text)
    bare = re.sub(r"""'[^'\n]*'|"[^"\n]*\"""", '', text)
    for key in (key for key in cfg if key not in TOP):
        word = rf'\b{re.escape(key)}\b'
        used = re.search(rf'(?<![./]){word}(?!\s*=(?!=)|/)', bare)
        if not (used or re.search(rf'_base_\.{word}', text)):
            # mmengine fills in helpers, but not those of the command line
            in_file = re.search(rf'^{word}\s*=', text, re.M)
            if not (in_file and _is_dumped(cfg)):
                yield key


def _is_dumped(cfg: Config) -> bool:
    """Whether mmengine wrote the file, with all helpers filled in.

    That of a run, which has its launcher, may have been edited since.
    """
    if re.search('^launcher = ', cfg.text, re.M):
        return True
    _, _, text = cfg.text.partition('\n')  # the first line names the file
    return bool(text) and Config.fromfile(cfg.filename).pretty_text == text


def _check_key(name: str, known: Iterable[str], where: str) -> None:
    """Raise `ValueError` if nothing reads a setting."""
    key = name.rpartition('.')[2]
    if key not in known:
        (near,) = get_close_matches(key, known, 1, 0)
        raise ValueError(
            f'{where}: nothing reads the setting {name}, so it would have no '
            f'effect. Did you mean {near}? Correct it, or leave it out.'
        )


def check_roots(cfg: Config, stages: Iterable[str]) -> None:
    """Find out whether all data sets of some stages are there.

    Args:
        cfg: The config.
        stages: Of `train`, `val` and `test`.

    Raises:
        FileNotFoundError: Names the folder that is missing.
        ValueError: If the config lacks what a stage needs.
    """
    for stage in stages:
        for key in NEEDED.get(stage, ()):
            if not isinstance(cfg.get(key), (Mapping, list)):
                raise ValueError(
                    f'{cfg.filename} has {key}={cfg.get(key)!r}, expected a '
                    f'dict: a config to {stage} with needs one. Inherit it '
                    'from a file of configs/_base_/.'
                )
        for options in datasets_of(cfg, stage):
            built = DATASETS.build(dict(options, lazy_init=True))
            if hasattr(built, 'check_root'):
                built.check_root()


def datasets_of(cfg: Mapping, stage: str) -> Iterator[dict]:
    """Yield the options of the data sets of a stage that have a folder.

    Args:
        cfg: The config.
        stage: One of `train`, `val` and `test`.
    """
    parts = [(cfg.get(f'{stage}_dataloader') or {}).get('dataset')]
    while parts:
        if part := parts.pop(0):
            options = dataset_config(part)
            parts += [options.get('dataset'), *(options.get('datasets') or ())]
            if 'data_root' in options:
                yield options
