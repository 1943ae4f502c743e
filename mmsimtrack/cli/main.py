"""The command `mmsimtrack`; what it needs is imported once it is needed."""

import logging
import sys
import traceback
import warnings
from collections.abc import Callable, Sequence
from functools import partial
from importlib import import_module
from pathlib import Path

import click

from mmsimtrack.apis.zoo import (
    ROOT,
    describe_weights,
    find_model,
    get_row,
    list_models,
)
from mmsimtrack.cli.app import app
from mmsimtrack.cli.export import export
from mmsimtrack.cli.track import track
from mmsimtrack.version import __version__

USER_ERRORS = (ImportError, LookupError, OSError, ValueError)
# raised on purpose where the package itself raises them
OUR_ERRORS = (ArithmeticError, RuntimeError)
# what has a `main` that reads its arguments itself: a module, or a script of
# tools/ and maybe an argument; what it does
COMMANDS = {
    'train': ('mmsimtrack.cli.train', 'Train a tracker.'),
    'test': ('mmsimtrack.cli.test', 'Test a tracker on a benchmark.'),
    'score': ('analysis_tools/results score', 'Score result files by a kit.'),
    'plot': ('analysis_tools/results plot', 'Plot curves of several reports.'),
    'compare': ('analysis_tools/results compare', 'Compare two reports.'),
    'check': ('dataset_converters/check_dataset', 'Find gaps in a data set.'),
    'generate': ('dataset_converters/generate_sequences', 'Generate videos.'),
}


@click.group(context_settings=dict(help_option_names=['-h', '--help']))
@click.version_option(__version__)
@click.option(
    '--traceback', is_flag=True, help='Show where an error comes from.'
)
def command(traceback: bool) -> None:
    """Follow an object through a video; train and test trackers.

    `mmsimtrack COMMAND --help` tells the options of a command.
    """


command.add_command(track)
command.add_command(app)
command.add_command(export)


def run_main(script: str, title: str, args: Sequence[str]) -> int:
    """Run `main` of a module, or of a script of `tools/`.

    An installed package has the scripts as well.

    Args:
        script: See `COMMANDS`.
        title: What it calls itself.
        args: Arguments, of which it reads those of the process.
    """
    path, *before = script.split()
    folder, _, module = path.rpartition('/')
    former = sys.argv, sys.path
    # a script with commands of its own names the command itself
    sys.argv = ['mmsimtrack' if before else title, *before, *args]
    if folder:
        sys.path = [str(ROOT / 'tools' / folder), *sys.path]
    try:
        return import_module(module).main()
    finally:
        sys.argv, sys.path = former


def convert(args: Sequence[str]) -> int:
    """Choose the converter by the first argument, else that of backbones.

    It may be a model of the zoo; its weights go to `<name>.pth`.
    """
    if args and args[0] in list_models():
        name, dst = args[0], Path(f'{args[0]}.pth')
        download = get_row(name).get('Download')
        if not isinstance(download, dict):
            text = f'{name}: nothing to convert. {describe_weights(name)}'
            raise ValueError(text)
        if dst.exists():
            raise ValueError(f'{dst} exists. Move it away to convert anew.')
        script = download['Converter'].removeprefix('tools/')[: -len('.py')]
        title = f'mmsimtrack convert {name}'
        return run_main(script, title, [*args[1:], str(dst)])
    title, stem = 'mmsimtrack convert', 'backbone_to_mmsimtrack'
    for path in (ROOT / 'tools/model_converters').glob('*_to_mmsimtrack.py'):
        if args and path.name.startswith(f'{args[0]}_'):
            title, stem, args = f'{title} {args[0]}', path.stem, args[1:]
    return run_main(f'model_converters/{stem}', title, args)


def _add(name: str, help_: str, function: Callable) -> None:
    """Add a command that reads its arguments itself."""
    unread = click.Argument(['args'], nargs=-1, type=click.UNPROCESSED)
    settings = {'ignore_unknown_options': True}
    settings['allow_interspersed_args'] = False
    about = {'help': help_, 'add_help_option': False}
    about |= {'params': [unread], 'context_settings': settings}
    command.add_command(click.Command(name, callback=function, **about))


for _name, (_script, _help) in COMMANDS.items():
    _add(_name, _help, partial(run_main, _script, f'mmsimtrack {_name}'))
_add(
    'convert',
    'Convert weights of others: `convert NAME FILE` those of a model, '
    '`convert FORMAT` those of a backbone.',
    convert,
)


@command.command()
@click.argument('name', required=False)
@click.option('--weights', is_flag=True, help='Only those with weights.')
def models(name: str | None, weights: bool) -> None:
    """List the models, or tell where config and weights of NAME lie."""
    names = [name] if name else list_models(weights)
    for each in names:
        config, file = find_model(each)
        if name:
            text = f'config   {config}\nweights  {file or "none"}'
            about = '' if file else f'\n{describe_weights(name)}'
            click.echo(text + about)
        else:
            click.echo(f'{each:34}{"with weights" if file else ""}'.rstrip())


def main(argv: list[str] | None = None) -> int:
    """Run the command.

    Args:
        argv: Arguments; None are those of the process.

    Returns:
        Exit status: 0, 1 for a result that is not complete or an error that
        nobody expected, 2 for an error of the user, which ends in one
        message.
    """
    argv = list(sys.argv[1:] if argv is None else argv)

    def run(argv: list[str]) -> int:
        return command.main(argv, 'mmsimtrack', standalone_mode=False)

    return _end_well(run, argv)


def run_tool(run: Callable) -> None:
    """Run a script of `tools/`, whose errors end as those of `main`.

    Args:
        run: Its `main`, which reads the arguments of the process.

    Raises:
        SystemExit: Always, with the exit status.
    """

    def run_with(argv: list[str]) -> int:
        sys.argv[1:] = argv
        return run()

    sys.exit(_end_well(run_with, sys.argv[1:]))


def _end_well(run: Callable, argv: list[str]) -> int:
    """Run a function of arguments; see `main`."""
    shows_traceback = '--traceback' in argv
    argv = [each for each in argv if each != '--traceback']
    logging.raiseExceptions = False  # a full disk shows up without them
    try:
        with warnings.catch_warnings():
            warnings.showwarning = _show_warning
            status = run(argv)
    except click.ClickException as error:
        error.show()
        status = error.exit_code
    except (click.Abort, KeyboardInterrupt):
        status = 130
    except SystemExit as error:
        status = error.code
        if isinstance(status, str):
            click.echo(status, err=True)
            status = 2
    except Exception as error:
        status, text = explain(error)
        if shows_traceback or status == 1:
            traceback.print_exc()
        click.echo(f'mmsimtrack: {text}', err=True)
    return int(status or 0)


def _show_warning(message, category, filename, lineno, *_) -> None:
    """Write a warning as one line; those of other packages say whose."""
    package = Path(__file__).parents[1]
    if category is not UserWarning or package not in Path(filename).parents:
        message = f'{filename}:{lineno}: {category.__name__}: {message}'
    click.echo(f'mmsimtrack: {message}', err=True)


def explain(error: Exception) -> tuple[int, str]:
    """Find the exit status of an error, and what to say.

    The message of another library is not left alone.
    """
    *_, (frame, _) = traceback.walk_tb(error.__traceback__)
    homes = {Path(__file__).parents[1], ROOT / 'tools'}
    ours = not homes.isdisjoint(Path(frame.f_code.co_filename).parents)
    if isinstance(error, TypeError) and _is_of_config(error):
        return 2, f'The config does not fit: {error}. Correct it.'
    status = 2 if isinstance(error, USER_ERRORS + OUR_ERRORS * ours) else 1
    # the text of a KeyError is quoted
    is_key = isinstance(error, KeyError) and error.args
    text = str(error.args[0] if is_key else error)
    if not ours:
        text = (
            f'{type(error).__name__}: {text}\n(raised outside of mmsimtrack; '
            '--traceback shows where)'
        )
    return status, text


def _is_of_config(error: Exception) -> bool:
    """Whether the arguments of something that a config names are wrong."""
    return any(
        frame.f_code.co_filename.endswith('registry/build_functions.py')
        for frame, _ in traceback.walk_tb(error.__traceback__)
    )
