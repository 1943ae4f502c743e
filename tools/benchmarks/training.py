"""Measure a training step: time, pairs per second, and memory of the device.

    python tools/benchmarks/training.py CONFIG [--batch-size N ...]

Pairs are random and lie in memory, so that only the step itself counts:
forward, loss, backward and AdamW.
"""

import time

import numpy as np
import torch
from measuring import describe_machine
from mmengine.optim import OptimWrapper
from mmengine.structures import InstanceData

from mmsimtrack.apis import init_model
from mmsimtrack.cli.main import run_tool
from mmsimtrack.cli.options import make_parser
from mmsimtrack.deployment.export import draw_inputs
from mmsimtrack.engine.autocast import AutocastOptimWrapper
from mmsimtrack.evaluation.reports import markdown_table
from mmsimtrack.structures import SOTDataSample

WRAPPERS = {'fp32': OptimWrapper, 'bf16': AutocastOptimWrapper}


def make_batch(model, count: int) -> dict:
    """Make random pairs, as the data loader hands them to the model."""
    exemplar, bbox, search = draw_inputs(model, count)
    sample = SOTDataSample(gt_instances=InstanceData(bboxes=bbox[:1]))
    views = {'exemplar': exemplar, 'exemplar_bbox': bbox, 'search': search}
    return {'inputs': views, 'data_samples': [sample] * count}


def measure(model, count: int, precision: str, num_steps: int) -> list[str]:
    """Train on a batch again and again: a row of the table."""
    optimizer = torch.optim.AdamW(model.parameters(), 1e-5)
    wrapper = WRAPPERS[precision](optimizer)
    batch, seconds = make_batch(model, count), []
    on_cuda = next(model.parameters()).is_cuda
    if on_cuda:
        torch.cuda.reset_peak_memory_stats()
    for _ in range(num_steps + 2):
        start = time.perf_counter()
        # reads the losses, and so waits for the device
        losses = model.train_step(batch, wrapper)
        assert all(np.isfinite(float(loss)) for loss in losses.values())
        if on_cuda:
            torch.cuda.synchronize()
        seconds.append(time.perf_counter() - start)
    median = np.median(seconds[2:])
    memory = torch.cuda.max_memory_allocated() / 1e9 if on_cuda else np.nan
    numbers = 1000 * median, count / median, memory
    return [precision, count, *(f'{number:.1f}' for number in numbers)]


def main() -> None:
    """Measure, and print a table."""
    parser = make_parser(__doc__)
    add = parser.add_argument
    add('config', help='config file, or name of the model zoo')
    add('--batch-size', nargs='+', type=int, default=[32])
    add('--precision', nargs='+', choices=WRAPPERS, default=['fp32', 'bf16'])
    add('--device', help='such as cpu (default: what there is)')
    add('--num-steps', type=int, default=20, help='to measure (default: 20)')
    args = parser.parse_args()
    model = init_model(args.config, device=args.device).train()
    print(f'{args.config} on {next(model.parameters()).device}')
    print(f'{describe_machine()}\n')
    rows = [
        measure(model, count, precision, args.num_steps)
        for precision in args.precision
        for count in args.batch_size
    ]
    header = ['precision', 'pairs', 'ms a step', 'pairs/s', 'GB at most']
    print(markdown_table(header, rows))


if __name__ == '__main__':
    run_tool(main)
