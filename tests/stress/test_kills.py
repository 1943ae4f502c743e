"""Whatever ends a run, nothing is lost, and nothing is left behind.

`MMSIMTRACK_STRESS` is the number of kills of each kind.
"""

import json
import os
import random
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

from mmsimtrack.registry import MODELS

ROOT = Path(__file__).parents[2]
REPEATS = int(os.environ.get('MMSIMTRACK_STRESS', 1))
# the others have tests of their own, and take long to start
KINDS = ('index', 'score') if REPEATS == 1 else None
CONFIG = f"""
_base_ = ['{ROOT}/configs/demo/sim_tiny_generated.py']
model = dict(
    backbone=dict(arch=dict(embed_dims=16, num_layers=1, num_heads=2,
                            feedforward_channels=16)),
    head=dict(channels=8),
)
train_cfg = dict(max_epochs=4)
train_dataloader = dict(
    batch_size=2,
    num_workers=0,
    persistent_workers=False,
    sampler=dict(num_pairs=8),
    dataset=dict(datasets=[
        dict(type='Got10kDataset', data_root='data', split='train')]),
)
test_dataloader = dict(dataset=dict(data_root='data', split='val'))
default_hooks = dict(
    logger=dict(interval=1), checkpoint=dict(by_epoch=False))
"""
RUN = """
import sys
import mmsimtrack.cli.train, mmsimtrack.cli.test, mmsimtrack.apis
from mmsimtrack.cli.main import main
print('ready', flush=True)
sys.exit(main(sys.argv[1:]))
"""
INDEX = """
from mmsimtrack.registry import DATASETS
DATASETS.get('FolderDataset')
print('ready', flush=True)
DATASETS.build(dict(type='FolderDataset', data_root='many'))
"""
COMMANDS = {
    'train': 'train config.py --work-dir out --resume',
    'test': 'test config.py w.pth --work-dir out',
    'track': 'track ball --box 0,20,16,24 --out-dir out --no-video',
    'score': 'score --gt gt --results gt --benchmark lasot '
    '--profile official --out out/m.json',
    'index': None,
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
        Path('config.py').write_text(CONFIG)
        from mmengine.config import Config

        model = MODELS.build(Config.fromfile('config.py').model)
        torch.save({'state_dict': model.state_dict()}, 'w.pth')
    return folder


def start(kind, folder):
    """Start a command; returns once it has imported what it needs."""
    command = COMMANDS[kind]
    process = subprocess.Popen(
        [sys.executable, '-c', RUN if command else INDEX]
        + (command or '').split(),
        cwd=folder,
        env={
            **os.environ,
            'OMP_NUM_THREADS': '1',
            'MMSIMTRACK_CACHE': str(folder / 'cache'),
        },
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        start_new_session=True,
    )
    while (line := process.stdout.readline().strip()) != 'ready':
        assert process.poll() is None, line
    return process


def finish(kind, folder):
    """Run a command to its end; returns the seconds and what it printed."""
    process, begin = start(kind, folder), time.monotonic()
    text, _ = process.communicate(timeout=120)
    return process.returncode, time.monotonic() - begin, text


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
    if kind == 'track':  # each run has files of its own
        tables = sorted(out.glob('*.csv'), key=os.path.getmtime)
        return tables[-1].read_text()
    patterns = {
        'test': 'out/results/*.txt',
        'score': 'out/m*',
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


@pytest.mark.parametrize('kind', KINDS or COMMANDS)
def test_kills(kind, place):
    clear(place)
    status, seconds, text = finish(kind, place)
    assert status == 0, text
    expected = outcome(kind, place)
    assert expected
    for _ in range(REPEATS):
        clear(place)
        process = start(kind, place)
        time.sleep(random.uniform(0, seconds))
        os.killpg(process.pid, signal.SIGKILL)
        process.communicate()
        status, _, text = finish(kind, place)
        assert status == 0, text
        assert outcome(kind, place) == expected
        assert not hidden(place), hidden(place)


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


@pytest.mark.parametrize('kind', KINDS or ['train', 'test', 'score', 'index'])
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
        assert 'No space left on device' in text and 'out/' in text
    assert not hidden(small_disk)
