"""The command mmsimtrack: its parts, its errors, its exit status."""

import runpy

import pytest
from processes import ROOT, python

from mmsimtrack.cli import main as module
from mmsimtrack.cli.main import COMMANDS as OTHERS
from mmsimtrack.cli.main import main

COMMANDS = ['track', *OTHERS, 'convert', 'models']


def test_help_needs_no_network_library():
    code = (
        'import sys; from mmsimtrack.cli.main import main\n'
        'for text in "--help", "track --help", "models": main(text.split())\n'
        'print(*{"torch", "mmengine", "matplotlib"} & set(sys.modules))'
    )
    assert python('-c', code).stdout.splitlines()[-1] == ''


def test_the_module_is_the_command():
    done = python('-m', 'mmsimtrack', '--help')
    for name in COMMANDS:
        assert f'\n  {name} ' in done.stdout


@pytest.mark.parametrize('name', COMMANDS)
def test_every_command_explains_itself(name, capsys):
    assert main([name, '--help']) == 0
    out = capsys.readouterr().out
    assert 'usage' in out.lower() and name in out


USAGES = [
    ([], ' convert [-h]'),
    (['official'], ' official [-h]'),
    (['ostrack_b256_lasot'], ' ostrack_b256_lasot [-h]'),
]


@pytest.mark.parametrize('args, usage', USAGES)
def test_converters(args, usage, capsys):
    assert main(['convert', *args, '--help']) == 0
    assert usage in capsys.readouterr().out


def test_a_command_of_tools_runs(tmp_path, capsys):
    args = ['--num-train', '1', '--num-val', '1', '--train-frames', '3']
    args += ['--val-frames', '3', '--jobs', '1']
    assert main(['generate', str(tmp_path / 'data'), *args]) == 0
    assert (tmp_path / 'data/val/list.txt').exists()
    args = ['--type', 'Got10kDataset', '--split', 'val', '--data-root']
    assert main(['check', *args, str(tmp_path / 'data')]) == 0
    missing = ['--gt', str(tmp_path), '--results', str(tmp_path / 'none')]
    args = ['--benchmark', 'custom', '--out', str(tmp_path / 'm.json')]
    assert main(['score', *missing, *args]) == 2
    assert 'no such folder' in capsys.readouterr().err


TOOLS = {
    'analysis_tools/analyze_logs': 'nowhere',
    'analysis_tools/browse_pairs': 'no.py',
    'analysis_tools/get_flops': 'no.py',
    'analysis_tools/visualize_attention': 'no.py w x --bbox 1,2,3,4',
    'benchmarks/lost_targets': 'nowhere no.py',
    'benchmarks/real_clips': 'nowhere no.py',
    'dataset_converters/generate_sequences': 'out --photos nowhere',
    'model_converters/publish_model': 'no.py w x.safetensors',
}


@pytest.mark.parametrize('tool', TOOLS)
def test_errors_of_scripts_end_so_as_well(tool, capsys, monkeypatch):
    path = ROOT / f'tools/{tool}.py'
    monkeypatch.syspath_prepend(str(path.parent))
    monkeypatch.setattr('sys.argv', [tool, *TOOLS[tool].split()])
    with pytest.raises(SystemExit, match='^2$'):
        runpy.run_path(str(path), run_name='__main__')
    error = capsys.readouterr().err
    assert 'no' in error and len(error.splitlines()) == 1


REFUSED = [
    (['trakc'], "No such command 'trakc'"),
    (['train', '.'], '. is a folder, expected a config file'),
    (['train', 'no.py'], 'no.py is missing, expected a config file'),
    (['test', 'no.py', 'x.pth'], 'no.py is missing, expected a config'),
    (['models', 'sim_b16_laso'], 'Did you mean sim_b16_lasot'),
    (['convert', 'timm', 'no.pth', 'out.pth'], 'no.pth does not exist'),
    (['convert', 'sim_b32_lasot', 'no.pth'], 'There are no public'),
]


@pytest.mark.parametrize('args, message', REFUSED)
def test_user_errors_end_in_a_message(args, message, capsys):
    assert main(args) == 2
    error = capsys.readouterr().err
    assert message in error and 'Traceback' not in error


def test_the_error_of_another_library_is_not_alone(monkeypatch, capsys):
    monkeypatch.setattr(module, 'list_models', lambda _: int('x'))
    assert main(['models']) == 2
    text = capsys.readouterr().err
    assert 'raised outside of mmsimtrack' in text and 'Traceback' not in text
    assert main(['models', '--traceback']) == 2
    assert 'Traceback (most recent' in capsys.readouterr().err


def test_what_nobody_expected_shows_where(monkeypatch, capsys):
    monkeypatch.setattr(module, 'list_models', lambda _: None.x)
    assert main(['models']) == 1
    assert 'Traceback (most recent' in capsys.readouterr().err


def test_models(capsys):
    assert main(['models', '--weights']) == 0
    assert capsys.readouterr().out.split() == [
        *('sim_s16-6l_real', 'with', 'weights'),
        *('sim_t16_real', 'with', 'weights'),
    ]
    main(['models', 'sim_b16_lasot'])
    lines = capsys.readouterr().out.splitlines()
    assert lines[0].endswith('configs/simtrack/sim_b16_lasot.py')
    assert lines[1].endswith('none')
    assert lines[2] == 'There are no public weights.'
