"""Count parameters and multiply-accumulates of the network of a config.

    python tools/analysis_tools/get_flops.py CONFIG [CONFIG ...]

One exemplar and one search image pass the network on the CPU, with random
weights: nothing is downloaded. See docs/en/flops.md.
"""

from pathlib import Path

import torch
from torch import nn
from torch.nn.attention import SDPBackend, sdpa_kernel
from torch.utils.flop_counter import FlopCounterMode

from mmsimtrack.cli.main import run_tool
from mmsimtrack.cli.options import add_cfg_options, make_parser
from mmsimtrack.cli.settings import read_settings
from mmsimtrack.evaluation.reports import markdown_table
from mmsimtrack.fileio import write_json
from mmsimtrack.registry import MODELS

CONVENTION = (
    'MACs: multiply-accumulates of convolutions, linear layers and attention '
    'products, for one exemplar and one search image. Not counted: biases, '
    'norms, softmax, activations and other elementwise work, resizing.'
)


class Pair(nn.Module):
    """A module that sends an exemplar and a search image through a tracker."""

    def __init__(self, model: nn.Module) -> None:
        super().__init__()
        self.model = model

    def forward(self, flops: FlopCounterMode) -> list[int]:
        """Count MACs after the exemplar, the backbone and the head."""
        model, macs = self.model, []
        exemplar, search = (
            torch.zeros(1, 3, view['size'], view['size'])
            for view in (model.exemplar, model.search)
        )
        bbox = torch.tensor([[0.25, 0.25, 0.75, 0.75]])
        memory = model.backbone.embed_exemplar(exemplar, bbox)
        macs.append(flops.get_total_flops() // 2)
        feature = model.backbone(memory, search)
        macs.append(flops.get_total_flops() // 2)
        model.head(feature)
        return [*macs, flops.get_total_flops() // 2]


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
    cfg = read_settings(path, options or {})
    if 'model' not in cfg:
        raise KeyError(f"{path} has no 'model'. Give a tracker's config.")
    model = MODELS.build(cfg.model).eval()  # loads no weights
    # attention as the matrix products it is, which the counter knows; with
    # gradients, or PyTorch would fuse whole layers
    flops = FlopCounterMode(display=False)
    with sdpa_kernel(SDPBackend.MATH), flops:
        memory, backbone, total = Pair(model)(flops)
    return {
        'config': str(path),
        'params': sum(p.numel() for p in model.parameters()),
        'macs': total,
        'backbone_macs': backbone,
        'memory_macs': memory,
        'frame_macs': total - memory,
        'modules': by_module(model, flops, backbone),
        'convention': CONVENTION,
    }


def by_module(
    model: nn.Module, flops: FlopCounterMode, backbone_macs: int
) -> dict[str, dict]:
    """Collect parameters and MACs of modules, their children included."""
    macs, counts = {}, flops.get_flop_counts()
    for name, module in reversed(list(model.named_modules())):
        if (ops := counts.get(f'Pair.model.{name}')) is not None:
            macs[name] = sum(ops.values()) // 2
        else:  # a list of modules, or its children were called directly
            children = (f'{name}.{one}' for one, _ in module.named_children())
            macs[name] = sum(macs.get(child, 0) for child in children)
    macs['backbone'] = backbone_macs  # with what `embed_exemplar` computes
    found = {}
    for name, module in list(model.named_modules())[1:]:
        params = sum(p.numel() for p in module.parameters())
        if params or macs[name]:
            found[name] = {'params': params, 'macs': macs[name]}
    return found


def summary(results: list[dict]) -> str:
    """Make a table in Markdown with one row per config."""
    header = ['config', 'params, M', 'MACs, G', 'backbone', 'memory']
    macs, rows = ('macs', 'backbone_macs', 'memory_macs', 'frame_macs'), []
    for result in results:
        params = f'{result["params"] / 1e6:.2f}'
        cells = [f'{result[key] / 1e9:.3f}' for key in macs]
        rows.append([result['config'], params, *cells])
    return markdown_table([*header, 'per frame'], rows)


def breakdown(result: dict, depth: int) -> str:
    """Make a table in Markdown of the modules down to a depth."""
    rows = []
    for name, total in result['modules'].items():
        if name.count('.') < depth:
            params, macs = total['params'] / 1e6, total['macs'] / 1e9
            share = 100 * total['macs'] / result['macs']
            rows.append([name, f'{params:.3f}', f'{macs:.3f}', f'{share:.1f}'])
    header = ['module', 'params, M', 'MACs, G', 'share of MACs, %']
    return markdown_table(header, rows)


def main() -> None:
    """Count, print, and write the numbers: a list if there are several."""
    parser = make_parser(__doc__)
    add = parser.add_argument
    add('configs', nargs='+', help='config files')
    add('--out', help='JSON file for the exact numbers')
    add('--depth', type=int, default=2, help='levels of modules to print')
    add_cfg_options(parser)
    args = parser.parse_args()
    results = []
    for path in args.configs:
        results.append(count_config(path, args.cfg_options))
        if args.depth > 0:
            print(f'{path}\n\n{breakdown(results[-1], args.depth)}')
    print(f'{summary(results)}\n{CONVENTION}')
    if args.out:
        write_json(args.out, results if len(results) > 1 else results[0])


if __name__ == '__main__':
    run_tool(main)
