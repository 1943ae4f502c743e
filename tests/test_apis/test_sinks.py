"""Files of tracked sources: what is in them, and what is left alone."""

import json
import os
from io import FileIO
from pathlib import Path

import cv2
import numpy as np
import pytest
from clips import BBOX, LENGTH, describe, write_clip, write_folder
from drifter import Drifter

from mmsimtrack.apis.follow import Job, follow
from mmsimtrack.apis.sinks import Outputs, append
from mmsimtrack.apis.sources import Footage

FILES = ('csv', 'mp4', 'png')
LATER = np.array((0.0, 0.0, 8.0, 8.0))


def track(source, out_dir, starts=None, span=(), **options):
    footage = Footage(source, *span)
    starts = starts or [(0, 1, np.array(BBOX))]
    ids = sorted({start[1] for start in starts})
    outputs = Outputs(footage, ids, out_dir, **options)
    job = Job(footage, starts, outputs)
    list(follow(Drifter(), [job]))
    assert job.error is None
    return {name: path.name for name, path in outputs.files.items()}


def names_in(folder):
    return sorted(p.name for p in Path(folder).iterdir() if p.name[0] != '.')


@pytest.fixture
def clip(tmp_path):
    (tmp_path / 'in').mkdir()
    return write_clip(tmp_path / 'in/clip.mp4')


def test_every_format(clip, tmp_path):
    """Target 2 starts in frame 3, target 1 anew in frame 20."""
    starts = [(0, 1, np.array(BBOX)), (3, 2, LATER), (20, 1, np.array(BBOX))]
    formats = ('csv', 'json', 'mot', 'coco', 'txt')
    files = track(clip, tmp_path, starts, formats=formats, model='drifter')
    assert files['boxes'] == files['csv'] == 'clip_tracked.csv'
    rows = (tmp_path / 'clip_tracked.csv').read_text().splitlines()
    assert rows[0] == 'frame,time,id,x,y,w,h,score,lost'
    assert rows[1] == '0,0.000000,1,0.0000,20.0000,16.0000,24.0000,1.0000,0'
    assert rows[5] == '3,0.120000,2,0.0000,0.0000,8.0000,8.0000,1.0000,0'
    assert len(rows) == 1 + LENGTH + LENGTH - 3
    assert rows[-6].startswith('21,0.840000,1,2.0000,21.0000')
    found = json.loads((tmp_path / 'clip_tracked.json').read_text())
    assert (found['source'], found['fps']) == (str(clip), 25)
    assert found['model'] == 'drifter'
    assert [len(t['frames']) for t in found['tracks']] == [LENGTH, LENGTH - 3]
    first = {'frame': 3, 'time': 0.12, 'bbox': [0, 0, 8, 8]}
    first |= {'score': 1, 'lost': False}
    assert found['tracks'][1]['frames'][0] == first
    mot = (tmp_path / 'clip_tracked.mot.txt').read_text().splitlines()
    first = '1,1,0.0000,20.0000,16.0000,24.0000,1.0000,-1,-1,-1'
    assert mot[0] == first and len(mot) == len(rows) - 1
    coco = json.loads((tmp_path / 'clip_tracked.coco.json').read_text())
    assert len(coco['images']) == LENGTH
    assert coco['images'][4]['file_name'] == 'frame_000004.png'
    image, target = coco['images'][4], coco['annotations'][4]
    assert (image['width'], image['height']) == (96, 64)
    assert (target['image_id'], target['track_id']) == (4, 2)
    text = (tmp_path / 'clip_tracked_id2.txt').read_text().splitlines()
    assert text[2:4] == ['nan,nan,nan,nan', '0.0000,0.0000,8.0000,8.0000']
    assert len(text) == LENGTH


def test_the_video_shows_the_times_of_the_source(tmp_path):
    times = [round(0.04 * i + 0.01 * (i % 3), 3) for i in range(LENGTH)]
    clip = write_clip(tmp_path / 'clip.mp4', times=times, audio='aac')
    track(clip, tmp_path, span=(4, 20, 2))
    found = describe(tmp_path / 'clip_tracked.mp4')
    expected = np.array(times[4:20:2]) - times[4]
    np.testing.assert_allclose(found['times'], expected, atol=1e-3)
    assert found['audio'] == 1


def test_an_input_is_never_replaced(clip, tmp_path):
    """In its own folder, by a link, and where it has the name of a result."""
    content = clip.read_bytes()
    for overwrite in (False, True):
        track(clip, clip.parent, overwrite=overwrite)
    assert clip.read_bytes() == content
    # a result as the input, under the name of its own result
    result = clip.parent / 'clip_tracked.mp4'
    (clip.parent / 'clip_tracked_tracked.mp4').unlink(missing_ok=True)
    os.link(result, clip.parent / 'clip_tracked_tracked.mp4')
    with open(clip.parent / '.mmsimtrack_outputs', 'a') as manifest:
        manifest.write('clip_tracked_tracked.mp4\n')
    content = result.read_bytes()
    files = track(result, clip.parent, overwrite=True)
    assert files['video'] == 'clip_tracked_tracked_2.mp4'
    assert result.read_bytes() == content


def test_files_of_the_user_are_left_alone(clip, tmp_path):
    (tmp_path / 'clip_tracked.csv').write_text('mine')
    for overwrite, number in ((False, 2), (False, 3), (True, 2)):
        files = track(clip, tmp_path, overwrite=overwrite)
        assert files['csv'] == f'clip_tracked_{number}.csv'
        assert files['video'] == f'clip_tracked_{number}.mp4'
    assert (tmp_path / 'clip_tracked.csv').read_text() == 'mine'
    both = (f'clip_tracked_{n}.{e}' for n in (2, 3) for e in FILES)
    assert names_in(tmp_path) == ['clip_tracked.csv', *both, 'in']
    (tmp_path / 'clip_tracked.csv').write_text('')  # as kills leave it behind
    files = track(clip, tmp_path, overwrite=True)
    assert files['csv'] == 'clip_tracked.csv'


def test_frames_of_another_size_are_told(tmp_path):
    frames = [np.zeros(size, np.uint8) for size in [(48, 64, 3), (24, 32, 3)]]
    with pytest.warns(UserWarning, match='from frame 1 on, frames have an'):
        track(frames, tmp_path, formats=('coco',))
    found = json.loads((tmp_path / 'frames_tracked.coco.json').read_text())
    assert [image['width'] for image in found['images']] == [64, 32]
    found = describe(tmp_path / 'frames_tracked.mp4')
    assert len(found['times']) == 2


def test_a_row_that_does_not_fit_is_not_begun(tmp_path):
    class Full(FileIO):
        def write(self, content):
            if content == b'1,2\n':
                return super().write(content)
            super().write(content[:1])
            raise OSError(28, 'No space left on device')

    with Full(tmp_path / 'rows.csv', 'w') as file:
        append(file, '1,2\n')
        with pytest.raises(OSError, match='No space'):
            append(file, '3,4\n')
    assert (tmp_path / 'rows.csv').read_text() == '1,2\n'


def test_a_sheet_of_a_long_video_is_short(tmp_path):
    frames = [np.zeros((48, 640, 3), np.uint8)] * 45
    track(frames, tmp_path, video=False)
    sheet = cv2.imread(str(tmp_path / 'frames_tracked.png'))
    assert sheet.shape[1] == 4 * 320
    assert 8 <= sheet.shape[0] // 24 * 4 <= 16


def test_json_alone_and_own_files_that_are_no_frames(clip, tmp_path):
    out = tmp_path / 'out'
    track(clip, out, formats=('json',), video=False, sheet=False)
    assert names_in(out) == ['clip_tracked.json']
    assert len(list(out.iterdir())) == 2  # and the manifest
    folder = write_folder(tmp_path / 'ball/img', ['1.png', '2.png'])
    for number in ('', '_2'):
        files = track(folder, folder)
        assert files['sheet'] == f'ball_tracked{number}.png'
        assert (folder / files['csv']).read_text().count('\n') == 3
