"""Count parameters and multiply-accumulates of the network of a config.

    python tools/analysis_tools/get_flops.py CONFIG [CONFIG ...]

One exemplar and one search image pass the network on the CPU, with random
weights: nothing is downloaded. See docs/en/flops.md.
"""

import argparse
import json
from collections import Counter, defaultdict
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from pathlib import Path

import torch
from mmengine.config import Config, DictAction
from torch import Tensor, nn
from torch.nn.attention import SDPBackend, sdpa_kernel
from torch.utils.flop_counter import FlopCounterMode

from mmsimtrack.fileio import replace_atomically
from mmsimtrack.models.backbones import Siamese
from mmsimtrack.registry import MODELS

CONVENTION = (
    'MACs: multiply-accumulates of convolutions, linear layers and attention '
    'products, for one exemplar and one search image. Not counted: biases, '
    'norms, softmax, activations and other elementwise work, resizing.'
)


class MacCounter:
    """Charges each multiply-accumulate to the innermost module that runs.

    Attributes:
        own: MACs by the name of a module, without those of its children.
        tokens: Numbers of tokens that a module has made of an image, in the
            order of its calls, by the name of the module.

    Args:
        model: Its modules get hooks, which stay.
    """

    def __init__(self, model: nn.Module) -> None:
        self.own = Counter()
        self.tokens = defaultdict(list)
        self._flops = FlopCounterMode(display=False)
        self._charged = 0
        self._running = ['']
        for name, module in model.named_modules():
            module.register_forward_pre_hook(partial(self._enter, name))
            module.register_forward_hook(self._leave)

    @contextmanager
    def running(self) -> Iterator[None]:
        """Count what runs inside; attention as the matrix products it is.

        The counter does not know the fused kernels, and takes them for free.
        """
        fused = torch.backends.mha.get_fastpath_enabled()
        torch.backends.mha.set_fastpath_enabled(False)
        try:
            with sdpa_kernel(SDPBackend.MATH), self._flops:
                yield
        finally:
            torch.backends.mha.set_fastpath_enabled(fused)

    @contextmanager
    def inside(self, name: str) -> Iterator[None]:
        """Charge a module for a method that hooks do not see."""
        self._enter(name)
        yield
        self._leave()

    def total(self) -> int:
        """MACs so far."""
        return self._flops.get_total_flops() // 2

    def _charge(self) -> None:
        self.own[self._running[-1]] += self.total() - self._charged
        self._charged = self.total()

    def _enter(self, name: str, *_) -> None:
        self._charge()
        self._running.append(name)

    def _leave(self, module=None, args=None, out=None) -> None:
        self._charge()
        name = self._running.pop()
        # what cuts images into patches, or merges patches, returns tokens
        # (B, N, C) and their grid (h, w), in mmpretrain as in mmdet
        if isinstance(out, tuple) and len(out) == 2:
            if isinstance(out[0], Tensor) and isinstance(out[1], Sequence):
                self.tokens[name].append(out[0].shape[1])


def count_config(path: str | Path, options: dict | None = None) -> dict:
    """Count the network of a config.

    Args:
        path: Config file.
        options: Settings to change, as of `--cfg-options`.

    Returns:
        The numbers of docs/en/flops.md, by their names there.

    Raises:
        KeyError: If the config has no model.
    """
    cfg = Config.fromfile(path)
    cfg.merge_from_dict(options or {})
    if 'model' not in cfg:
        raise KeyError(f"{path} has no 'model'. Give a tracker's config.")
    model = MODELS.build(cfg.model).eval()  # loads no weights
    return {'config': str(path), **count(model)}


@torch.no_grad()
def count(model: nn.Module) -> dict:
    """Count a tracker on the CPU; see `count_config`."""
    exemplar, search = (
        torch.zeros(1, 3, view['size'], view['size'])
        for view in (model.exemplar, model.search)
    )
    bbox = torch.tensor([[0.25, 0.25, 0.75, 0.75]])
    counter = MacCounter(model)
    with counter.running():
        with counter.inside('backbone'):
            memory = model.backbone.embed_exemplar(exemplar, bbox)
        memory_macs = counter.total()
        feature = model.backbone(memory, search)
        backbone_macs = counter.total()
        model.head(feature)
    made = [*counter.tokens.values()]
    if isinstance(model.backbone, Siamese):  # (1, C, h, w): cells are tokens
        made = [[memory[0][0, 0].numel(), feature[0, 0].numel()]]
    return {
        'params': sum(p.numel() for p in model.parameters()),
        'macs': counter.total(),
        'backbone_macs': backbone_macs,
        'memory_macs': memory_macs,
        'frame_macs': counter.total() - memory_macs,
        'tokens': count_tokens(model, made),
        'modules': by_module(model, counter.own),
        'convention': CONVENTION,
    }


def count_tokens(
    model: nn.Module, made: list[list[int]]
) -> dict[str, int | list[int]]:
    """Tokens by kind; in a pyramid a list, stage by stage.

    Args:
        model: The tracker.
        made: In each stage, tokens of the exemplar, then of its foveal window
            if there is one, then of the search image.
    """
    cls_tokens = [getattr(m, 'cls_token', None) for m in model.modules()]
    # in the baseline, each image comes with its own class token
    num_class = 1 + isinstance(model.backbone, Siamese)
    kinds = {
        'exemplar': [stage[0] for stage in made],
        'foveal': [stage[1] for stage in made if len(stage) == 3],
        'class': [num_class for token in cls_tokens if token is not None],
        'search': [stage[-1] for stage in made],
    }
    return {
        kind: numbers if len(numbers) > 1 else numbers[0]
        for kind, numbers in kinds.items()
        if numbers
    }


def by_module(model: nn.Module, own_macs: Counter) -> dict[str, dict]:
    """Parameters and MACs of every module, its children included."""
    totals = defaultdict(Counter)
    for name, module in model.named_modules():
        params = sum(p.numel() for p in module.parameters(recurse=False))
        parts = name.split('.')
        for end in range(1, len(parts) + 1):
            parent = totals['.'.join(parts[:end])]
            parent.update(params=params, macs=own_macs[name])
    return {
        name: dict(total)
        for name, total in totals.items()
        if name and any(total.values())
    }


def summary(results: list[dict]) -> str:
    """One row per config, as a table in Markdown."""
    rows = ['config|params, M|MACs, G|backbone|memory|per frame|tokens']
    for result in results:
        cells = [result['config'], f'{result["params"] / 1e6:.2f}']
        for key in ('macs', 'backbone_macs', 'memory_macs', 'frame_macs'):
            cells.append(f'{result[key] / 1e9:.3f}')
        tokens = (
            f'{kind} {"/".join(map(str, n)) if isinstance(n, list) else n}'
            for kind, n in result['tokens'].items()
        )
        rows.append('|'.join([*cells, ', '.join(tokens)]))
    return _table(rows)


def breakdown(result: dict, depth: int) -> str:
    """Modules down to a depth, as a table in Markdown."""
    rows = ['module|params, M|MACs, G|share of MACs, %']
    for name, total in result['modules'].items():
        if name.count('.') < depth:
            params, macs = total['params'] / 1e6, total['macs'] / 1e9
            share = 100 * total['macs'] / result['macs']
            rows.append(f'{name}|{params:.3f}|{macs:.3f}|{share:.1f}')
    return _table(rows)


def _table(rows: list[str]) -> str:
    rule = '|'.join(['---', *['---:'] * rows[0].count('|')])
    rows = [rows[0], rule, *rows[1:]]
    return '\n'.join(f'| {row.replace("|", " | ")} |' for row in rows)


def main() -> None:
    """Count, print, and write the numbers: a list if there are several."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    add = parser.add_argument
    add('configs', nargs='+', help='config files')
    add('--out', help='JSON file for the exact numbers')
    add('--depth', type=int, default=2, help='levels of modules to print')
    add('--cfg-options', nargs='+', action=DictAction, help='key=value')
    args = parser.parse_args()
    results = []
    for path in args.configs:
        results.append(count_config(path, args.cfg_options))
        if args.depth > 0:
            print(f'{path}\n\n{breakdown(results[-1], args.depth)}\n')
    print(f'{summary(results)}\n\n{CONVENTION}')
    if args.out:
        Path(args.out).parent.mkdir(parents=True, exist_ok=True)
        content = results if len(results) > 1 else results[0]
        with replace_atomically(args.out) as temporary:
            temporary.write_text(json.dumps(content, indent=2) + '\n')


if __name__ == '__main__':
    main()
