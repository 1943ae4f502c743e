"""`mmsimtrack export`: write a tracker for other runtimes."""

from __future__ import annotations

import argparse
from itertools import islice
from pathlib import Path

import click

from mmsimtrack.cli.options import parse_bbox, parse_source

FORMATS = ('onnx', 'openvino', 'torchscript', 'tensorrt')
PRECISIONS = ('fp32', 'fp16', 'bf16', 'int8')


def parse_batch(_, __, text: str) -> int | None:
    """Read a number of targets, or `dynamic`, which is None."""
    if text == 'dynamic':
        return None
    if not text.isdecimal() or int(text) < 1:
        raise click.BadParameter(
            f'found {text!r}, expected a number from 1 on, or dynamic'
        )
    return int(text)


def parse_box(_, __, text: str | None) -> list[float] | None:
    """Read x,y,w,h -> xyxy."""
    try:
        return text and parse_bbox(text)
    except argparse.ArgumentTypeError as error:
        raise click.BadParameter(str(error)) from None


@click.command(short_help='Write a tracker for other runtimes.')
@click.argument('model')
@click.option('--out', required=True, type=Path, help='Folder to create.')
@click.option(
    '--format',
    'format_',
    type=click.Choice(FORMATS),
    default='onnx',
    show_default=True,
)
@click.option(
    '--precision',
    type=click.Choice(PRECISIONS),
    default='fp32',
    show_default=True,
)
@click.option(
    '--batch',
    default='dynamic',
    show_default=True,
    callback=parse_batch,
    help='Number of targets in a batch, or dynamic.',
)
@click.option('--weights', help='Checkpoint.  [default: of the model]')
@click.option(
    '--trust-checkpoint',
    is_flag=True,
    help='Allow Python objects in --weights; loading them can run code.',
)
@click.option(
    '--clip',
    help='Video or frames to compare with torch on, and to calibrate int8 '
    'with.  [default: a drawn clip]',
)
@click.option(
    '--box', callback=parse_box, help='Target x,y,w,h in its first frame.'
)
@click.option(
    '--frames',
    type=click.IntRange(2),
    default=20,
    show_default=True,
    help='Number of frames of the clip to take.',
)
@click.option(
    '--max-loss',
    type=click.FloatRange(0, 1),
    default=0.05,
    show_default=True,
    help='Largest loss of overlap with the boxes of fp32, in other '
    'precisions.',
)
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
