"""The command `mmsimtrack`; what it needs is imported once it is needed."""

from __future__ import annotations

import sys
import traceback
import warnings
from importlib import import_module
from pathlib import Path

import click

from mmsimtrack.apis.zoo import ROOT, find_model, list_models
from mmsimtrack.cli.export import export
from mmsimtrack.cli.track import track
from mmsimtrack.version import __version__

USER_ERRORS = (ImportError, LookupError, OSError, ValueError)
# raised on purpose where the package itself raises them
OUR_ERRORS = (ArithmeticError, RuntimeError)
PASSED_ON = dict(
    add_help_option=False,
    context_settings=dict(
        ignore_unknown_options=True, allow_interspersed_args=False
    ),
)
RESULTS = 'analysis_tools/results.py'
# commands of tools/: script, arguments before the user's, and what it does
TOOLS = {
    'score': (RESULTS, ['score'], 'Score result files by a kit.'),
    'plot': (RESULTS, ['plot'], 'Plot the curves of several reports.'),
    'compare': (RESULTS, ['compare'], 'Compare two reports statistically.'),
    'check': (
        'dataset_converters/check_dataset.py',
        [],
        'Check that a data set is complete.',
    ),
    'generate': (
        'dataset_converters/generate_sequences.py',
        [],
        'Generate sequences to train and test on.',
    ),
}
CONVERTERS = ROOT / 'tools/model_converters'


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
command.add_command(export)


def _add(name: str, run, help_: str) -> None:
    """Add a command that reads its arguments itself."""

    @command.command(name, help=help_, short_help=help_, **PASSED_ON)
    @click.argument('args', nargs=-1, type=click.UNPROCESSED)
    def _run(args: tuple[str, ...]) -> int:
        return run(list(args))


def _run_tool(name: str, script: str, before: list[str]):
    # a script with commands of its own names the command itself
    title = 'mmsimtrack' if before else f'mmsimtrack {name}'
    return lambda args: run_script(title, script, before + args)


def _run_module(name: str):
    module = f'mmsimtrack.cli.{name}'
    return lambda args: _with_argv(
        f'mmsimtrack {name}', args, lambda: import_module(module).main()
    )


def run_script(name: str, script: str, args: list[str]) -> int:
    """Run a script of `tools/`, which an installed package has as well."""
    path = ROOT / 'tools' / script
    sys.path.insert(0, str(path.parent))
    try:
        return _with_argv(name, args, import_module(path.stem).main)
    finally:
        sys.path.remove(str(path.parent))


def _with_argv(name: str, args: list[str], function) -> int:
    """Call a function that reads `sys.argv`, and names itself by it."""
    former = sys.argv
    sys.argv = [name, *args]
    try:
        return function()
    finally:
        sys.argv = former


_add('train', _run_module('train'), 'Train a tracker.')
_add('test', _run_module('test'), 'Test a tracker on a benchmark.')
for _name, (_script, _before, _help) in TOOLS.items():
    _add(_name, _run_tool(_name, _script, _before), _help)


def convert(args: list[str]) -> int:
    """Choose the converter by the first argument, else that of backbones."""
    name = args[0] if args else ''
    for path in sorted(CONVERTERS.glob('*_to_mmsimtrack.py')):
        if name and path.name.startswith(f'{name}_'):
            script = f'{CONVERTERS.name}/{path.name}'
            return run_script(f'mmsimtrack convert {name}', script, args[1:])
    script = f'{CONVERTERS.name}/backbone_to_mmsimtrack.py'
    return run_script('mmsimtrack convert', script, args)


_add(
    'convert',
    convert,
    'Convert weights of others: of whole trackers (`convert official`), or '
    'of backbones (`convert FORMAT`).',
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
            click.echo(f'config   {config}\nweights  {file or "none"}')
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
    shows_traceback = '--traceback' in argv
    argv = [each for each in argv if each != '--traceback']
    try:
        with warnings.catch_warnings():
            warnings.showwarning = _show_warning
            status = command.main(argv, 'mmsimtrack', standalone_mode=False)
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
        ours = is_ours(error)
        expected = USER_ERRORS + (OUR_ERRORS if ours else ())
        status = 2 if isinstance(error, expected) else 1
        if shows_traceback or status == 1:
            traceback.print_exc()
        click.echo(f'mmsimtrack: {explain(error, ours)}', err=True)
    return int(status or 0)


def _show_warning(message, category, filename, lineno, *_) -> None:
    """Write a warning as one line; those of other packages say whose."""
    package = Path(__file__).parents[1]
    if category is not UserWarning or package not in Path(filename).parents:
        message = f'{filename}:{lineno}: {category.__name__}: {message}'
    click.echo(f'mmsimtrack: {message}', err=True)


def is_ours(error: Exception) -> bool:
    """Whether this package raised an error."""
    *_, (frame, _) = traceback.walk_tb(error.__traceback__)
    return Path(__file__).parents[1] in Path(frame.f_code.co_filename).parents


def explain(error: Exception, ours: bool) -> str:
    """Message of an error; that of another library is not left alone."""
    text = str(error)
    if isinstance(error, KeyError) and error.args:
        text = str(error.args[0])  # without quotes
    if ours:
        return text
    return (
        f'{type(error).__name__}: {text}\n(raised outside of mmsimtrack; '
        '--traceback shows where)'
    )
