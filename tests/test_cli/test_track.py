"""mmsimtrack track: options, what it writes, how it ends."""

import gc
import json
import math
import multiprocessing
import os
import random
import resource
import shutil
import signal
import time
import warnings
from pathlib import Path

import cv2
import numpy as np
import pytest
from clips import LENGTH, describe, write_clip, write_folder
from drifter import Drifter

from mmsimtrack.apis import open_source, sot_inferencer
from mmsimtrack.cli import track
from mmsimtrack.cli.main import main
from mmsimtrack.visualization import VideoWriter

BOX = '0,20,16,24'
REPEATS = int(os.environ.get('MMSIMTRACK_STRESS', 2))
NUM_FRAMES = 50


@pytest.fixture(scope='module')
def clip(tmp_path_factory):
    return write_clip(tmp_path_factory.mktemp('clip') / 'clip.mp4')


@pytest.fixture
def called(monkeypatch, tmp_path, clip):
    """Where to work, with a tracker without a network; notes its model."""
    calls = []

    def init_model(*args, **kwargs):
        calls.append(args)
        return Drifter()

    monkeypatch.setattr(sot_inferencer, 'init_model', init_model)
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv('DISPLAY', raising=False)
    monkeypatch.delenv('WAYLAND_DISPLAY', raising=False)
    shutil.copy(clip, tmp_path)
    return calls


def rows(path):
    """The rows of a csv, as numbers."""
    lines = Path(path).read_text().splitlines()
    assert lines[0] == 'frame,time,id,x,y,w,h,score,lost'
    return [[float(value) for value in line.split(',')] for line in lines[1:]]


def test_one_command(called, capsys):
    assert main(['track', 'clip.mp4', '--box', BOX]) == 0
    assert called == [('sim_s16-6l_real', None, None)]
    out = Path('work_dirs/track')
    found = rows(out / 'clip_tracked.csv')
    assert len(found) == LENGTH
    assert found[0] == [0, 0, 1, 0, 20, 16, 24, 1, 0]
    assert found[2] == [2, 0.08, 1, 4, 22, 16, 24, 0.25, 0]
    assert describe(out / 'clip_tracked.mp4')['codec'] == 'h264'
    assert cv2.imread(str(out / 'clip_tracked.png')) is not None
    assert 'clip_tracked.csv' in capsys.readouterr().out
    assert main(['track', 'clip.mp4', '--box', BOX, '--quiet']) == 0
    assert capsys.readouterr().out == ''
    assert (out / 'clip_tracked_2.csv').exists()


def test_options(called):
    args = ['--box', '-5,3,10,10', '--box', BOX, '--box-at', '7:1,2,3,4']
    args += ['--box-at', '20:8,8,8,8:2', '--format', 'json,mot', '--no-sheet']
    args += ['--start', '4', '--end', '22', '--step', '3', '--out-dir', '.']
    args += ['--no-video', '--model', 'nice', '--weights', 'w.pth']
    args += ['--device', 'cpu', '--precision', 'bf16']
    assert main(['track', 'clip.mp4', *args]) == 0
    assert called == [('nice', 'w.pth', 'cpu')]
    found = json.loads(Path('clip_tracked.json').read_text())
    assert found['model'] == 'nice'
    one, two, three = (t['frames'] for t in found['tracks'])
    assert [f['frame'] for f in one] == [4, 7, 10, 13, 16, 19]
    assert one[0]['bbox'] == [-5, 3, 10, 10]
    assert three[0]['frame'] == 7 and three[0]['bbox'] == [1, 2, 3, 4]
    assert len(two) == 6
    names = sorted(p.name for p in Path().glob('clip_*'))
    assert names == ['clip_tracked.json', 'clip_tracked.mot.txt']


def test_a_target_starts_anew(called):
    """The later one of two starts that are due counts."""
    args = ['--box', BOX, '--box-at', '2:8,8,8,8:1', '--start', '5']
    args += ['--box-at', '10:4,4,8,8:1']
    assert main(['track', 'clip.mp4', *args]) == 0
    found = rows('work_dirs/track/clip_tracked.csv')
    assert found[0] == [5, 0.2, 1, 8, 8, 8, 8, 1, 0]
    assert found[4][2:] == [1, 16, 12, 8, 8, 0.0625, 0]
    assert found[5][2:] == [1, 4, 4, 8, 8, 1, 0]
    assert found[6][2:] == [1, 6, 5, 8, 8, 0.5, 0]
    assert len(found) == LENGTH - 5


@pytest.mark.parametrize('boxes', [1, 2])
def test_several_sources(called, boxes):
    write_folder(Path('a/img'), ['1.png', '2.png'])
    args = ['--box', BOX, '--box', '1,1,9,9'][: 2 * boxes]
    args += ['--out-dir', 'out', '--overwrite']
    for _ in range(2):
        assert main(['track', 'clip.mp4', 'a', *args]) == 0
        assert len(rows('out/clip_tracked.csv')) == LENGTH
        assert len(rows('out/a_tracked.csv')) == 2
    assert not list(Path('out').glob('*_2.*'))


def test_images_are_one_source(called):
    """Into which a shell expands a/*.png, also beside earlier results."""
    folder = write_folder(Path('a'), [f'{i}.png' for i in (1, 2, 10)])
    for number in ('', '_2'):
        args = sorted(map(str, folder.glob('*.png')))
        args += ['--box', BOX, '--box', BOX, '--format', 'json,coco']
        assert main(['track', *args, '--out-dir', 'a']) == 0
        found = json.loads((folder / f'a_tracked{number}.json').read_text())
        assert found['source'] == 'a' and len(found['tracks']) == 2
        text = (folder / f'a_tracked{number}.coco.json').read_text()
        names = [image['file_name'] for image in json.loads(text)['images']]
        assert names == ['1.png', '2.png', '10.png']


def test_a_pattern_of_videos(called):
    write_clip(Path('clip2.mp4'))
    assert main(['track', 'clip*.mp4', '--box', BOX]) == 0
    found = sorted(p.name for p in Path('work_dirs/track').glob('*.csv'))
    assert found == ['clip2_tracked.csv', 'clip_tracked.csv']


REFUSED = [
    (['clip.mp4'], 'no display to draw a box in'),
    (['clip.mp4', '--box', BOX, '--show'], '--show needs a display'),
    (['clip.mp4', '--box', 'nan,1,2,3'], 'a width and a height above 0'),
    (['clip.mp4', '--box-at', '1,2,3,4'], 'expected FRAME:x,y,w,h'),
    (['clip.mp4', '--box', BOX, '--format', 'xml'], 'some of csv,json'),
    (['clip.mp4', '--box', BOX, '--device', 'gpu'], 'a device that works'),
    (['clip.mp4', '--box', '999,0,9,9'], 'clip.mp4, target 1: the first box'),
    (['no.mp4', '--box', BOX], 'no.mp4 is missing'),
    (['', '--box', BOX], "'' is missing"),
    (['a/1.png', 'a/2.png', '--box', BOX], 'a/1.png is missing'),
    (['9', '--box', BOX], 'no frame from 9'),
    (['clip.mp4', '--box', BOX, '--model', 'a.py'], 'a.py comes without w'),
    (
        ['clip.mp4', '--box', BOX, '--model', 'ostrack_b256_lasot'],
        'by hand from https',
    ),
    (['clip.mp4', '--start', '99', '--box', BOX], 'no frame from 99 to'),
    (['clip.mp4', 'a', 'b', '--box', BOX, '--box', BOX], 'found 2 --box'),
    ([], "Missing argument 'SOURCE...'"),
]


@pytest.mark.parametrize('args, message', REFUSED)
def test_what_is_refused(called, args, message, capsys):
    assert main(['track', *args]) == 2
    error = capsys.readouterr().err
    assert message in error and 'Traceback' not in error
    assert not Path('work_dirs').exists()


def test_one_bad_source_does_not_stop_the_others(called, capsys):
    folder = write_folder(Path('a'), [f'{i}.jpg' for i in range(6)])
    boxes = ['--box', BOX, '--box', '999,0,9,9', '--out-dir', 'o']
    assert main(['track', 'clip.mp4', 'a', *boxes]) == 1
    assert 'a, target 1: the first box' in capsys.readouterr().err
    assert [p.name for p in Path('o').glob('*.csv')] == ['clip_tracked.csv']
    content = (folder / '4.jpg').read_bytes()
    (folder / '4.jpg').write_bytes(content[:300])
    assert main(['track', 'a', 'clip.mp4', '--box', BOX]) == 1
    error = capsys.readouterr().err
    assert '4.jpg is truncated' in error and 'an error after 4 frames' in error
    out = Path('work_dirs/track')
    assert len(rows(out / 'a_tracked.csv')) == 4
    assert len(describe(out / 'a_tracked.mp4')['times']) == 4
    assert len(rows(out / 'clip_tracked.csv')) == LENGTH


@pytest.mark.parametrize('drawn', [(4, 5, 20, 10), (0, 0, 0, 0)])
def test_a_box_is_drawn_where_there_is_a_display(called, monkeypatch, drawn):
    monkeypatch.setattr(track, 'has_display', lambda: True)
    monkeypatch.setattr(cv2, 'selectROI', lambda title, frame: drawn)
    monkeypatch.setattr(cv2, 'destroyWindow', lambda title: None)
    assert main(['track', 'clip.mp4']) == (0 if drawn[2] else 2)
    if drawn[2]:
        found = rows('work_dirs/track/clip_tracked.csv')
        assert found[0][3:] == [4, 5, 20, 10, 1, 0] and len(found) == LENGTH


def test_the_window_ends_it(called, monkeypatch):
    keys = iter([0, 0, ord('q')])
    monkeypatch.setattr(track, 'has_display', lambda: True)
    monkeypatch.setattr(cv2, 'imshow', lambda title, frame: None)
    monkeypatch.setattr(cv2, 'waitKey', lambda wait: next(keys))
    status = main(['track', 'clip.mp4', '--box', BOX, '--show'])
    assert status == 128 + signal.SIGINT
    assert len(rows('work_dirs/track/clip_tracked.csv')) == 3


def run_in_child(args, limit):
    """A run that is slow enough to be ended by a signal, or by a full disk."""
    # threads do not survive a fork, and codecs that wait for theirs hang
    cv2.setNumThreads(0)
    gc.freeze()
    if limit:
        resource.setrlimit(resource.RLIMIT_FSIZE, (limit, limit))
    sot_inferencer.init_model = lambda *_, **__: Drifter(pause=0.02)
    os._exit(main(['track', *args]))


def frames_of(path):
    """Frames that can be read, the last of which may be cut."""
    with warnings.catch_warnings():
        warnings.simplefilter('ignore')
        return len(list(open_source(path)))


@pytest.fixture(scope='module')
def ball(tmp_path_factory):
    """A folder of frames, and the size of the video that is made of it."""
    folder = tmp_path_factory.mktemp('ball')
    for number in range(NUM_FRAMES):  # what a video does not compress
        rng = np.random.default_rng(number)
        noise = rng.integers(0, 256, (60, 80, 3), np.uint8)
        cv2.imwrite(str(folder / f'{number}.jpg'), noise)
    with VideoWriter(folder.parent / 'whole.mp4') as video:
        for frame in open_source(folder):
            video.write(frame)
    return folder, (folder.parent / 'whole.mp4').stat().st_size


@pytest.mark.parametrize('repeat', range(REPEATS))
@pytest.mark.parametrize('end', ['SIGTERM', 'SIGINT', 'SIGKILL', 'full disk'])
def test_whatever_ends_it_the_rows_remain(called, ball, end, repeat, capfd):
    """The input stays as it was, and the next run works as ever."""
    folder = Path(shutil.copytree(ball[0], 'ball'))
    before = {p.name: p.read_bytes() for p in folder.iterdir()}
    args = ['ball', '--box', BOX, '--out-dir', 'ball', '--no-sheet']
    limit = None
    if end == 'full disk':
        limit = round(ball[1] * random.uniform(0.3, 0.6))
    context = multiprocessing.get_context('fork')
    child = context.Process(target=run_in_child, args=(args, limit))
    child.start()
    csv = folder / 'ball_tracked.csv'
    if limit is None:
        while not csv.exists() or csv.read_text().count('\n') < 3:
            assert child.is_alive()
            time.sleep(0.002)
        time.sleep(random.uniform(0, 0.2))
        os.kill(child.pid, getattr(signal, end))
    child.join(60)
    status = {'SIGTERM': 143, 'SIGINT': 130, 'SIGKILL': -9, 'full disk': 1}
    assert child.exitcode == status[end]
    found = rows(csv)  # whole lines
    assert [row[0] for row in found] == list(range(len(found)))
    assert 2 <= len(found) < NUM_FRAMES and math.isfinite(sum(found[-1]))
    video = folder / 'ball_tracked.mp4'
    if end in ('SIGTERM', 'SIGINT'):
        assert frames_of(video) == len(found)
    elif end == 'full disk':
        assert frames_of(video) >= 1
        told = "mmsimtrack: [Errno 27] File too large: 'ball/ball_tracked.mp4'"
        assert told in capfd.readouterr().err.splitlines()
    for name, content in before.items():
        assert (folder / name).read_bytes() == content
    assert main(['track', *args]) == 0
    assert len(rows(folder / 'ball_tracked_2.csv')) == NUM_FRAMES
    assert frames_of(folder / 'ball_tracked_2.mp4') == NUM_FRAMES
