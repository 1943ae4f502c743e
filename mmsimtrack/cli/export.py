"""`mmsimtrack export`: write a tracker for other runtimes."""

from itertools import islice
from pathlib import Path

import click

from mmsimtrack.cli.options import (
    click_options,
    expects,
    parse_bbox,
    parse_source,
)

FORMATS = ('onnx', 'openvino', 'torchscript', 'tensorrt')
PRECISIONS = ('fp32', 'fp16', 'bf16', 'int8')


@expects('a number from 1 on, or dynamic')
def parse_batch(text: str) -> int | None:
    """Read a number of targets, or `dynamic`, which is None."""
    if text == 'dynamic':
        return None
    if int(text) < 1:
        raise ValueError
    return int(text)


OPTIONS = {
    '--out DIR': 'Folder to create.',
    f'--format {"|".join(FORMATS)}': 'What to write.',
    f'--precision {"|".join(PRECISIONS)}': 'In what to compute.',
    '--batch N': 'Number of targets in a batch, or dynamic.',
    '--weights FILE': 'Checkpoint.  [default: of the model]',
    '--trust-checkpoint': 'Allow Python objects in --weights; loading them '
    'can run code.',
    '--clip SOURCE': 'Video or frames to compare with torch on, and to '
    'calibrate int8 with.  [default: a drawn clip]',
    '--box x,y,w,h': 'Target in its first frame.',
    '--frames N': 'Number of frames of the clip to take.',
    '--max-loss LOSS': 'Largest loss of overlap with the boxes of fp32, in '
    'other precisions.',
}
KINDS = {
    'out': {'required': True, 'type': Path},
    'format': {
        'type': click.Choice(FORMATS),
        'default': 'onnx',
        'name': 'format_',
    },
    'precision': {'type': click.Choice(PRECISIONS), 'default': 'fp32'},
    'batch': {'type': parse_batch, 'default': 'dynamic'},
    'box': {'type': parse_bbox},
    'frames': {'type': click.IntRange(2), 'default': 20},
    'max_loss': {'type': click.FloatRange(0, 1), 'default': 0.05},
}


@click.command(short_help='Write a tracker for other runtimes.')
@click.argument('model')
@click_options(OPTIONS, **KINDS)
def export(
    model, out, weights, trust_checkpoint, clip, box, frames, **options
) -> None:
    """Write the networks of MODEL, and compare them with torch.

    MODEL is a name (see `mmsimtrack models`) or a config file. --out gets
    exemplar.*, search.* and tracker.json, which tells how to use them. Boxes
    over a clip must be those of torch, or nothing is written.
    """
    if (clip is None) != (box is None):
        raise click.UsageError(
            'found only one of --clip and --box, expected both or none.'
        )
    from mmsimtrack.apis.sot_inferencer import init_model
    from mmsimtrack.apis.sources import open_source
    from mmsimtrack.deployment.export import export as run

    if clip is not None:
        clip = list(islice(open_source(parse_source(clip)), frames)), box
    tracker = init_model(
        model, weights, 'cpu', trust_checkpoint=trust_checkpoint
    )
    name = Path(model).stem if model.endswith('.py') else model
    report = run(tracker, out, name=name, clip=clip, **options)
    click.echo(
        f'{"format":12}{"precision":11}{"MB":>8}  {"largest difference":20}'
        f'{"overlap":9}run by\n'
        f'{options["format_"]:12}{options["precision"]:11}'
        f'{report["megabytes"]:8.1f}  {report["max_difference"]:<17.2g}px '
        f'{report["overlap"]:<9.4f}{report["backend"]}\n'
        f'Written: {out}. Use: mmsimtrack.runtime.Tracker({str(out)!r})'
    )
