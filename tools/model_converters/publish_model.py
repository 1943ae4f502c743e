"""Turn a checkpoint of a training into weights to ship.

The result is a safetensors file with the tensors of the network in float16
and, in its header, where they come from: config, commit, data sets, and a
hash of the tensors. Weights that only a training needs are left out. With
`--recount N` the statistics of BatchNorm layers are counted anew on N batches
of training pairs, since those of averaged weights are not their own.
"""

import copy
import hashlib
import subprocess
from datetime import datetime, timezone
from pathlib import Path

import torch
from mmengine.config import Config
from mmengine.registry import init_default_scope
from mmengine.runner import Runner
from safetensors.torch import save
from torch import Tensor, nn

from mmsimtrack.apis import SOTInferencer
from mmsimtrack.cli.main import run_tool
from mmsimtrack.cli.options import add_cfg_options, make_parser
from mmsimtrack.cli.settings import read_settings
from mmsimtrack.datasets import fill_pairs
from mmsimtrack.fileio import replace_atomically


def hash_tensors(tensors: dict[str, Tensor]) -> str:
    """Digest all tensors by name: types, shapes and bytes (sha256)."""
    digest = hashlib.sha256()
    for name, tensor in sorted(tensors.items()):
        digest.update(f'{name} {tensor.dtype} {tuple(tensor.shape)}'.encode())
        digest.update(tensor.contiguous().numpy().tobytes())
    return digest.hexdigest()


@torch.no_grad()
def recount_statistics(model: nn.Module, cfg: Config, batches: int) -> None:
    """Count the statistics of BatchNorm layers on batches of training pairs.

    Args:
        model: Whose layers to recount.
        cfg: Its config, with a `train_dataloader`.
        batches: How many; the mean over all of them is kept.
    """
    layers = [m for m in model.modules() if isinstance(m, nn.BatchNorm2d)]
    for layer in layers:
        layer.reset_running_stats()
        layer.momentum = None  # a mean, not a moving one
        layer.train()
    loader_cfg = copy.deepcopy(cfg.train_dataloader)
    loader_cfg.dataset = fill_pairs(loader_cfg.dataset, cfg.model)
    loader_cfg.sampler.num_pairs = batches * loader_cfg.batch_size
    # pairs that the training has not seen
    loader = Runner.build_dataloader(loader_cfg, seed=cfg.randomness.seed + 1)
    for batch in loader:
        model(**model.data_preprocessor(batch), mode='tensor')
    model.eval()


def publish(
    model: nn.Module, path: Path, about: dict[str, str]
) -> dict[str, str]:
    """Write the weights of a model in half precision.

    Args:
        model: The tracker.
        path: A new file, `.safetensors`.
        about: What the header says beside the hash.

    Returns:
        What the header says.
    """
    tensors = {
        name: tensor.half() if tensor.is_floating_point() else tensor
        for name, tensor in model.state_dict().items()
        if name.startswith(('backbone.', 'head.'))
    }
    header = {**about, 'sha256': hash_tensors(tensors)}
    with replace_atomically(path) as temporary:
        temporary.write_bytes(save(tensors, metadata=header))
    return header


def current_commit() -> str:
    """Name the commit of the source tree, or say `unknown`."""
    result = subprocess.run(
        ['git', '-C', str(Path(__file__).parent), 'rev-parse', 'HEAD'],
        capture_output=True,
        text=True,
    )
    return result.stdout.strip() or 'unknown'


def main(argv: list[str] | None = None) -> None:
    """Read the command line and publish."""
    parser = make_parser(__doc__)
    add = parser.add_argument
    add('config', help='config file')
    add('checkpoint', help='checkpoint of a training')
    add('out', type=Path, help='a new .safetensors file')
    text = 'batches to count the statistics of BatchNorm layers on'
    add('--recount', type=int, default=0, metavar='N', help=text)
    add('--data', default='', help='data sets, as a sentence')
    add_cfg_options(parser)
    args = parser.parse_args(argv)
    if args.out.exists():
        parser.error(f'{args.out} exists. Remove it, or give another name.')
    cfg = read_settings(args.config, args.cfg_options)
    init_default_scope('mmsimtrack')
    model = SOTInferencer(cfg, args.checkpoint, 'cpu').model
    if args.recount:
        recount_statistics(model, cfg, args.recount)
    about = {
        'config': Path(args.config).stem,
        'commit': current_commit(),
        'data': args.data,
        'date': datetime.now(timezone.utc).date().isoformat(),
    }
    header = publish(model, args.out, about)
    print(f'{args.out}: {args.out.stat().st_size} bytes')
    for key, value in header.items():
        print(f'  {key}: {value}')


if __name__ == '__main__':
    run_tool(main)
