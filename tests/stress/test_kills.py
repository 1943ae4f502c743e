"""Whatever ends a run, nothing is lost, and nothing is left behind.

`MMSIMTRACK_STRESS` is the number of kills of each kind. The runs are forked
from one process, which has imported what they need, so that kills meet work.
"""

import json
import os
import random
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

import layouts
import pytest
import storage
import torch
from clips import write_folder
from processes import SERVER
from small_models import small_demo

from mmsimtrack.cli.main import main
from mmsimtrack.registry import DATASETS, MODELS

REPEATS = int(os.environ.get('MMSIMTRACK_STRESS', 1))
CONFIG = """
train_cfg = dict(max_epochs=4)
default_hooks.update(checkpoint=dict(by_epoch=False))
"""
COMMANDS = {
    'train': 'train config.py --work-dir out --resume',
    'test': 'test config.py w.pth --work-dir out --num-slots 2',
    'track': 'track ball --box 0,20,16,24 --out-dir out --model config.py '
    '--weights w.pth --format json --overwrite',
    'score': 'score --gt gt --results gt --benchmark lasot '
    '--profile official --out out/m.json',
    'export': 'export config.py --weights w.pth --out out/model '
    '--format torchscript',
    'convert': 'convert official --reverse w.pth out/o.pth',
    'index': '',
}


@pytest.fixture(scope='module')
def place(tmp_path_factory):
    """A folder with all that the commands read."""
    folder = tmp_path_factory.mktemp('stress')
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        layouts.make_got10k('data', 'train', num_frames=6)
        layouts.make_got10k('data', 'val', num_sequences=6, num_frames=9)
        storage.make_folders(
            'many', names=[f's{i}' for i in range(150)], num_frames=2
        )
        for path in Path('many').glob('*.txt'):
            path.rename(path.with_suffix('') / 'groundtruth.txt')
        write_folder(Path('ball'), [f'{i}.jpg' for i in range(24)])
        Path('gt').mkdir()
        for i in range(30):
            Path(f'gt/{i}.txt').write_text('1,2,30,40\n' * 50)
        Path('config.py').write_text(small_demo(more=CONFIG))
        from mmengine.config import Config

        model = MODELS.build(Config.fromfile('config.py').model)
        torch.save({'state_dict': model.state_dict()}, 'w.pth')
    return folder


def work(folder, command):
    """Run a command in a process of its own."""
    os.setsid()
    # what a shell starts in the background ignores Ctrl-C
    signal.signal(signal.SIGINT, signal.default_int_handler)
    os.chdir(folder)
    os.environ['MMSIMTRACK_CACHE'] = str(folder / 'cache')
    with open('log', 'w') as log:
        os.dup2(log.fileno(), 1)
        os.dup2(log.fileno(), 2)
    if command:
        sys.exit(main(command.split()))
    DATASETS.build(dict(type='FolderDataset', data_root='many'))


def start(kind, folder):
    (folder / 'log').write_text('')
    process = SERVER.Process(target=work, args=(folder, COMMANDS[kind]))
    process.start()
    return process


def end(process):
    """Kill a command, and what it has started."""
    try:
        os.killpg(process.pid, signal.SIGKILL)
    except ProcessLookupError:  # it has no group of its own yet
        process.kill()
    process.join()


def finish(kind, folder):
    """Run a command to its end; returns status, seconds and what it says."""
    process, begin = start(kind, folder), time.monotonic()
    process.join(300)
    text = (folder / 'log').read_text()
    assert process.exitcode is not None, f'it hangs\n{text}'
    return process.exitcode, time.monotonic() - begin, text


def outcome(kind, folder):
    """All that a run leaves and that must be as without a kill."""
    out = folder / 'out'
    if kind == 'train':
        steps = {}
        for path in sorted(out.glob('*/vis_data/scalars.json')):
            for line in path.read_text().splitlines():
                entry = json.loads(line)  # of a repeated step the last
                steps[entry['step']] = entry['loss']
        return steps
    patterns = {
        'test': 'out/results/*.txt',
        'track': 'out/*.json',
        'score': 'out/m*',
        'export': 'out/model/*.json',
        'convert': 'out/*.pth',
        'index': 'cache/*/*.index/*.npy',
    }
    paths = sorted(folder.glob(patterns[kind]))
    return {path.name: path.read_bytes() for path in paths}


def hidden(folder):
    found = [*folder.glob('out/**/.*'), *folder.glob('cache/*/.*')]
    return [
        p.name for p in found if p.name not in ('.lock', '.mmsimtrack_outputs')
    ]


def clear(folder):
    for name in ('out', 'cache'):
        subprocess.run(['rm', '-rf', folder / name], check=True)


def times(folder):
    """When the results were written that a test has to keep."""
    paths = folder.glob('out/results/*.txt')
    return {path: path.stat().st_mtime_ns for path in paths}


@pytest.mark.parametrize('kind', COMMANDS)
def test_kills(kind, place):
    clear(place)
    status, seconds, text = finish(kind, place)
    assert status == 0, text
    expected = outcome(kind, place)
    assert expected and not hidden(place)
    for _ in range(REPEATS):
        clear(place)
        process = start(kind, place)
        moment = random.uniform(0, seconds)
        process.join(moment)
        if process.exitcode is None:
            end(process)
        kept = times(place)
        whole = outcome('export', place)
        status, _, text = finish(kind, place)
        text = f'killed after {moment} of {seconds} s\n{text}'
        if kind == 'export' and whole:  # which it does not replace
            assert status == 2 and 'model exists' in text, text
        else:
            assert status == 0, text
        assert outcome(kind, place) == expected, text
        assert times(place).items() >= kept.items()
        assert not hidden(place), (hidden(place), text)


@pytest.mark.parametrize('kind', ['train', 'test'])
def test_ctrl_c(kind, place):
    clear(place)
    process = start(kind, place)
    wanted = {'train': 'out/last_checkpoint', 'test': 'out/times'}[kind]
    while not (place / wanted).exists():
        assert process.exitcode is None
        time.sleep(0.01)
    os.killpg(process.pid, signal.SIGINT)
    process.join()
    text = (place / 'log').read_text()
    assert process.exitcode == 130, text
    assert 'Interrupted. out keeps what is finished; ' in text.split('\n')[-2]
    assert 'Traceback' not in text and not hidden(place)


@pytest.fixture
def small_disk(place):
    """A disk for `out` and `cache` with room for nothing but folders."""
    clear(place)
    for name in ('out', 'cache'):
        (place / name).mkdir()
        mount = ['mount', '-t', 'tmpfs', '-o', 'size=64k', 'tmpfs']
        done = subprocess.run([*mount, place / name], capture_output=True)
        if done.returncode:
            pytest.skip('mounting a small disk needs more rights')
    yield place
    for name in ('out', 'cache'):
        subprocess.run(['umount', '-l', place / name], check=True)
        (place / name).rmdir()


@pytest.mark.parametrize('kind', COMMANDS)
def test_a_full_disk(kind, small_disk):
    filler = {name: small_disk / name / 'filler' for name in ('out', 'cache')}
    for path in filler.values():
        with pytest.raises(OSError), open(path, 'wb') as file:
            file.write(bytes(2**17))
    status, _, text = finish(kind, small_disk)
    if kind == 'index':  # annotations are parsed at every start
        assert status == 0 and 'cannot be kept' in text
    else:
        assert status in (1, 2), text
        assert re.search("No space left on device: '(.*/)?out['/]", text), text
    assert not hidden(small_disk)
