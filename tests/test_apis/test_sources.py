"""What a source may be: each kind of video, of folder, of damage."""

import os
import re
import sys
import warnings
from fractions import Fraction
from types import SimpleNamespace

import av
import clips
import cv2
import numpy as np
import pytest
from clips import LENGTH, index, picture, write_clip, write_folder
from PIL import Image

from mmsimtrack.apis import open_source
from mmsimtrack.apis.sources import Footage, source_name

UNEVEN = [round(0.04 * i + 0.01 * (i % 3), 3) for i in range(LENGTH)]
VIDEOS = {
    'h264': ('clip.mp4', {}),
    'h264, 10 bit': ('clip.mp4', dict(pix_fmt='yuv420p10le')),
    'hevc': ('clip.mp4', dict(codec='libx265')),
    'hevc, 10 bit': ('c.mp4', dict(codec='libx265', pix_fmt='yuv420p10le')),
    'vp9': ('clip.webm', dict(codec='libvpx-vp9')),
    'mjpeg': ('clip.avi', dict(codec='mjpeg', pix_fmt='yuvj420p')),
    'gif': ('clip.gif', dict(codec='gif', pix_fmt='rgb8')),
    'ts': ('clip.ts', {}),
    'yuv444': ('clip.mp4', dict(pix_fmt='yuv444p', size=(63, 95))),
    '60 fps': ('clip.mp4', dict(fps=60)),
    'ntsc': ('clip.mp4', dict(fps=Fraction(30000, 1001))),
    'variable': ('clip.mp4', dict(times=UNEVEN)),
    'sound': ('clip.mp4', dict(audio='aac')),
    'name': ('Übung (1) 視頻.mp4', {}),
}
FOLDERS = {  # names, what becomes of an RGB picture
    'gray': ('{:03}.png', lambda image: image[..., 0]),
    '16 bit': ('{:03}.png', lambda image: image.astype(np.uint16) * 257),
    'thermal': ('{}.png', lambda i: i[..., 0].astype(np.uint16) + 7000),
    'rgba': ('{}.png', lambda i: np.dstack([i, np.full_like(i[..., 0], 9)])),
    'upper case': ('{:03}.JPG', None),
    'no padding': ('frame{}.jpg', None),
    'text behind': ('{} of 30.jpg', None),
    'webp': ('{:03}.webp', None),
    'tif': ('{:03}.tif', None),
    'mixed': ('{}.{}', None),
    'date': ('2024-01-02_10.{}.jpg', None),
    'endings of varying length': ('img_{:03}_{}.jpg', None),
}
NAMES = {
    'a/b/clip.mp4': 'clip',
    2: 'camera2',
    (): 'frames',
    'rtsp://me:secret@10.0.0.7:554/cam1?key=1': '10_0_0_7_554_cam1',
    'http://10.0.0.7/cam2': '10_0_0_7_cam2',
}
REFUSED = {
    'nowhere.mp4': 'nowhere.mp4 is missing',
    'nowhere/*.jpg': 'missing. Expected a video',
    'empty': 'empty holds no frame, expected files ending',
    '*.png': r'\*.png holds no frame',
    'types': 'types holds b.heic, an image of a type that',
    'text.mp4': "reads no frame from '.*text.mp4'",
    'none.mp4': "reads no frame from '.*none.mp4'",
    'half.mp4': 'copied or downloaded completely',
    'sound.m4a': 'it has no pictures',
    'rtsp://127.0.0.1:9/x': 'can be reached from here',
    99: 'no frame from 99. Expected a vi',
}


def read(footage):
    """Numbers, times and what the pictures tell."""
    items = [(n, t, index(frame)) for n, t, frame in footage]
    return [list(column) for column in zip(*items)]


@pytest.mark.parametrize('kind', VIDEOS)
def test_videos(tmp_path, kind):
    name, options = VIDEOS[kind]
    if options.get('codec', 'libx264') not in av.codecs_available:
        pytest.skip('PyAV is built without this encoder')
    path = write_clip(tmp_path / name, **options)
    footage = Footage(path)
    with warnings.catch_warnings():
        warnings.simplefilter('error')  # whole ones are not called damaged
        numbers, times, indices = read(footage)
    assert numbers == indices == list(range(LENGTH))
    fps = options.get('fps', 25)
    expected = options.get('times') or [i / float(fps) for i in numbers]
    np.testing.assert_allclose(times, expected, atol=1e-3)
    if 'times' not in options:
        assert footage.reader.fps == fps
    assert footage.reader.files == [path]


def test_animated_webp(tmp_path):
    images = [Image.fromarray(picture(i)) for i in range(LENGTH)]
    path = tmp_path / 'clip.webp'
    images[0].save(path, save_all=True, append_images=images[1:], duration=50)
    numbers, times, indices = read(Footage(path))
    assert numbers == indices == list(range(LENGTH))
    assert times[2] == pytest.approx(0.1)


@pytest.mark.parametrize('turns', [1, 2, 3])
def test_a_rotated_video_is_shown_upright(tmp_path, turns):
    path = write_clip(tmp_path / 'clip.mp4')
    content = bytearray(path.read_bytes())
    begin = content.index(b'tkhd') + 44  # of the display matrix
    cos, sin = [(0, 1), (-1, 0), (0, -1)][turns - 1]
    matrix = [cos, sin, 0, -sin, cos, 0, 0, 0, 1 << 14]
    content[begin : begin + 36] = (np.array(matrix, '>i4') << 16).tobytes()
    path.write_bytes(content)
    frame = next(open_source(path))
    ok, expected = cv2.VideoCapture(str(path)).read()
    assert frame.shape == expected.shape
    assert np.abs(frame[..., ::-1].astype(int) - expected).mean() < 2


@pytest.mark.parametrize('kind', FOLDERS)
def test_folders(tmp_path, kind):
    pattern, convert = FOLDERS[kind]
    endings = ('jpg', 'png', 'webp', 'bmp', 'jpeg', 'tiff')
    names = [pattern.format(i, endings[i % 6]) for i in range(LENGTH)]
    write_folder(tmp_path, names, convert or (lambda image: image))
    (tmp_path / 'notes.txt').write_text('no frame')
    numbers, times, indices = read(Footage(tmp_path))
    assert numbers == indices == list(range(LENGTH))
    assert times[5] == 0.2


@pytest.mark.parametrize('inner', ['', 'img', 'imgs', 'images', 'color'])
@pytest.mark.parametrize('pattern', ['', '*.png', 'f%03d.png', 'f[0-9]*.png'])
def test_where_frames_lie(tmp_path, inner, pattern):
    folder = tmp_path / 'ball' / inner
    write_folder(folder, [f'f{i:03}.png' for i in range(4)])
    (folder / '._f001.png').write_text('left by a Mac')
    (folder / '__MACOSX').mkdir()
    source = folder / pattern if pattern else tmp_path / 'ball'
    footage = Footage(str(source))
    assert footage.name == 'ball'
    assert read(footage)[2] == [0, 1, 2, 3]


@pytest.mark.parametrize('span', [(3, None, 1), (0, 5, 1), (2, 20, 4)])
def test_a_part_of_a_video(tmp_path, span):
    footage = Footage(write_clip(tmp_path / 'clip.mp4'), *span)
    expected = range(LENGTH)[slice(*span)]
    assert footage.total == len(expected)
    footage.peek()
    numbers, _, indices = read(footage)
    assert numbers == indices == list(expected)


def damage(path, how):
    """Damage a clip of 24 frames."""
    content = bytearray(path.read_bytes())
    if how == 'packet':
        pos, size, _ = clips.packets(path)[9]
        content[pos + 4 : pos + size] = b'\xa5' * (size - 4)
    elif how == 'cut':
        content = content[: clips.packets(path)[15][0] + 5]
    elif how == 'hole':
        third = len(content) // 188 // 3 * 188
        content = content[:third] + content[third + 188 * 8 :]
    path.write_bytes(content)


@pytest.mark.parametrize('how', ['packet', 'cut', 'hole'])
def test_damaged_videos_give_the_rest_in_its_place(tmp_path, how):
    path = tmp_path / ('clip.ts' if how == 'hole' else 'clip.mp4')
    write_clip(path, options={'movflags': 'faststart'})
    damage(path, how)
    with pytest.warns(UserWarning) as warned:
        numbers, times, indices = read(Footage(path))
    assert 12 <= len(numbers) < LENGTH
    assert sum(n != i for n, i in zip(numbers, indices)) <= 1  # smeared
    np.testing.assert_allclose(times, np.array(numbers) / 25, atol=1e-3)
    text = str(warned[0].message)
    found = re.search(r'damaged: (\d+) of (\d+) frames', text)
    assert int(found[1]) == len(numbers)
    assert int(found[2]) == (LENGTH if how != 'hole' else numbers[-1] + 1)


@pytest.mark.parametrize('name, message', REFUSED.items())
def test_what_is_refused(tmp_path, name, message):
    (tmp_path / 'empty').mkdir()
    (tmp_path / 'text.mp4').write_text('no video')
    (tmp_path / 'none.mp4').touch()
    write_folder(tmp_path / 'types', ['a.jpg'])
    (tmp_path / 'types/b.heic').touch()
    whole = write_clip(tmp_path / 'whole.mp4').read_bytes()
    (tmp_path / 'half.mp4').write_bytes(whole[: len(whole) // 2])
    with av.open(str(tmp_path / 'sound.m4a'), 'w') as out:
        stream = out.add_stream('aac', 48000, layout='mono')
        silence = np.zeros((1, 1024), np.int16)
        samples = av.AudioFrame.from_ndarray(silence, 's16', 'mono')
        samples.sample_rate = 48000
        out.mux(stream.encode(samples))
        out.mux(stream.encode())
    error = FileNotFoundError if 'nowhere' in str(name) else ValueError
    is_path = '://' not in str(name) and name != 99
    with pytest.raises(error, match=message):
        list(open_source(tmp_path / name if is_path else name))


def test_a_corrupt_frame_names_its_file(tmp_path):
    write_folder(tmp_path, [f'{i}.jpg' for i in range(4)])
    content = (tmp_path / '3.jpg').read_bytes()
    (tmp_path / '3.jpg').write_bytes(content[: len(content) // 2])
    frames = open_source(tmp_path)
    assert [index(next(frames)) for _ in range(3)] == [0, 1, 2]
    with pytest.raises(ValueError, match='3.jpg is truncated'):
        next(frames)


def test_without_pyav_opencv_reads(tmp_path, monkeypatch):
    path = write_clip(tmp_path / 'clip.mp4', times=UNEVEN)
    monkeypatch.setitem(sys.modules, 'mmsimtrack.apis.video', None)
    numbers, times, indices = read(Footage(path))
    assert numbers == indices == list(range(LENGTH))
    np.testing.assert_allclose(times, UNEVEN, atol=2e-3)
    with pytest.raises(ValueError, match='only be read with PyAV'):
        Footage('-')


def test_a_pipe(tmp_path, monkeypatch):
    path = write_clip(tmp_path / 'clip.ts')
    reading, writing = os.pipe()
    os.write(writing, path.read_bytes())
    os.close(writing)
    with os.fdopen(reading, 'rb') as pipe:
        monkeypatch.setattr('sys.stdin', SimpleNamespace(buffer=pipe))
        footage = Footage('-')
        assert footage.name == 'stdin'
        assert read(footage)[2] == list(range(LENGTH))


@pytest.mark.parametrize('source, expected', NAMES.items())
def test_names(source, expected):
    assert source_name(source) == expected
