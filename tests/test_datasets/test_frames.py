import threading
import time
import zlib
from functools import partial
from pathlib import Path

import cv2
import numpy as np
import pytest
from mmengine.model import BaseDataPreprocessor
from PIL import Image

from mmsimtrack.datasets import FrameReader, frames, read_frame
from mmsimtrack.datasets.frames import (
    CorruptFrameError,
    check_frame,
    image_shape,
    list_frames,
    read_reduced,
)

READERS = (read_frame, check_frame, partial(read_reduced, reduction=2))
THERMAL = np.linspace(7000, 8200, 48 * 64).reshape(48, 64).astype(np.uint16)


def encode(ending, height=48, width=64):
    """Bytes of an image of noise."""
    noise = np.random.default_rng(0).integers(0, 256, (height, width, 3))
    return cv2.imencode(ending, noise.astype(np.uint8))[1].tobytes()


PNG = encode('.png')


@pytest.fixture
def paths(make_got10k, tmp_path):
    (folder,) = make_got10k(tmp_path, num_sequences=1)
    return [str(path) for path in sorted(folder.glob('*.jpg'))]


def wait_for_length(items, length):
    deadline = time.monotonic() + 10
    while len(items) < length and time.monotonic() < deadline:
        time.sleep(0.005)


def test_frames_come_in_order(paths):
    reader = FrameReader(paths, num_threads=3, num_ahead=2)
    assert len(reader) == 8
    frames = list(reader)
    assert [frame.shape for frame in frames] == [(48, 64, 3)] * 8
    levels = [int(frame[0, 0, 0]) for frame in frames]
    np.testing.assert_allclose(levels, 10 * np.arange(1, 9), atol=1)
    # the middle of the target, which is pure red
    np.testing.assert_allclose(frames[0][18, 24], (255, 0, 0), atol=3)
    assert frames[0].dtype == np.uint8
    # to a preprocessor it is no sequence, so no list is made of it
    data = BaseDataPreprocessor().cast_data({'inputs': [reader]})
    assert data['inputs'][0] is reader
    # every iteration starts anew
    np.testing.assert_array_equal(next(iter(reader)), frames[0])
    for num in (0, 1):  # shorter than the queue
        assert len(list(FrameReader(paths[:num]))) == num


def test_threads_end_with_the_iteration(paths):
    before = threading.active_count()
    frames = iter(FrameReader(paths * 50))
    assert threading.active_count() == before  # nothing until it starts
    next(frames)
    assert threading.active_count() > before
    frames.close()
    assert threading.active_count() == before


def test_frames_ahead_are_bounded(monkeypatch):
    started = []

    def read(path):
        started.append(path)
        return np.full((1, 1, 3), path)

    monkeypatch.setattr(frames, 'read_frame', read)
    video = iter(FrameReader(range(20), num_threads=2, num_ahead=3))
    for taken in range(1, 8):
        assert (next(video) == taken - 1).all()
        wait_for_length(started, taken + 3)
        time.sleep(0.01)
        assert len(started) == taken + 3
    video.close()
    assert len(started) == 10  # abandoned: nothing more is read


def test_error_comes_at_its_frame(paths):
    frames = iter(FrameReader([paths[0], paths[1], 'none.jpg', paths[2]]))
    next(frames)
    next(frames)
    with pytest.raises(FileNotFoundError, match='none.jpg is missing'):
        next(frames)


@pytest.mark.parametrize('read', (*READERS, image_shape))
def test_missing_file(read):
    message = r'nowhere/1\.jpg is missing\. Expected a frame .* data_root'
    with pytest.raises(FileNotFoundError, match=message):
        read('nowhere/1.jpg')


BROKEN = r'bad.jpg is truncated or no image'


SCAN, CHUNK = encode('.jpg')[:2000], PNG[: PNG.rindex(b'IDAT') - 4]
BAD_FILES = [
    (b'', 'bad.jpg is empty, expected an image'),
    *((x, f'{BROKEN} .*identify') for x in (b'<p>404</p>', b'IEND of')),
    (SCAN + b'\0' * 5000, rf'{BROKEN} \(.*\)\. Unpack or download'),
    (CHUNK + b'\0' * 5000, rf'{BROKEN} \(broken PNG'),
]


@pytest.mark.parametrize('read', READERS)
@pytest.mark.parametrize('content, message', BAD_FILES)
def test_bad_file(tmp_path, read, content, message):
    path = tmp_path / 'bad.jpg'
    path.write_bytes(content)
    with pytest.raises(ValueError, match=message):
        read(str(path))


@pytest.mark.parametrize('ending', ['.jpg', '.png', '.bmp'])
def test_no_cut_goes_unnoticed(tmp_path, ending):
    content = encode(ending)
    path = tmp_path / f'cut{ending}'
    path.write_bytes(content)
    check_frame(str(path))
    assert read_frame(str(path)).shape == (48, 64, 3)
    # the last bytes of a PNG hold no pixel
    for length in range(0, len(content) - 20, 97):
        path.write_bytes(content[:length])
        for read in READERS:
            with pytest.raises(ValueError, match='cut'):
                read(str(path))


@pytest.mark.parametrize('ending', ['.jpg', '.png'])
@pytest.mark.parametrize('num_bytes', [1, 100, 6000])
def test_bytes_after_the_end_are_ignored(tmp_path, ending, num_bytes):
    path = tmp_path / f'long{ending}'
    path.write_bytes(encode(ending))
    frame = read_frame(str(path))
    for garbage in (b'\0', b'g'):
        path.write_bytes(encode(ending) + garbage * num_bytes)
        check_frame(str(path))
        np.testing.assert_array_equal(read_frame(str(path)), frame)


def write_header(path, width, height):
    """A PNG that promises any number of pixels."""
    content = bytearray(PNG)
    content[16:24] = width.to_bytes(4, 'big') + height.to_bytes(4, 'big')
    content[29:33] = zlib.crc32(content[12:29]).to_bytes(4, 'big')
    path.write_bytes(content)


@pytest.mark.parametrize('read', [read_frame, image_shape])
@pytest.mark.parametrize('side', [12_000, 60_000])
def test_too_many_pixels(tmp_path, paths, read, side, monkeypatch):
    """As `CorruptFrameError`, so that training may skip the frame."""
    path = tmp_path / 'large.png'
    write_header(path, side, side)
    with pytest.raises(CorruptFrameError, match=r'large\.png.* pixels'):
        read(str(path))
    # the limit is a setting
    monkeypatch.setattr(frames, 'MAX_PIXELS', 64 * 48)
    read(paths[0])
    monkeypatch.setattr(frames, 'MAX_PIXELS', 64 * 48 - 1)
    message = 'of 64 x 48 px, expected at most 3071 pixels.*MMSIMTRACK_MAX'
    with pytest.raises(CorruptFrameError, match=message):
        read(paths[0])


ORDERS = [
    '1.jpg, 02.JPEG, 10.Png, a 9 b 2.webp, a 9 b 10.bmp, a 10 b 1.tif',
    '0.25.png, 0.5.png, 1.0.png, 10.125.png',  # decimals
    't1.1.png, t1.2.png, t1.9.png, t1.10.png',  # counters
]


@pytest.mark.parametrize('names', ORDERS)
def test_order_of_frames(tmp_path, names):
    names = names.split(', ')
    for name in [*names, '._1.jpg', '.0.jpg', 'notes.txt', 'jpg']:
        (tmp_path / name).touch()
    (tmp_path / '3.jpg').mkdir()
    assert list_frames(tmp_path) == names


@pytest.mark.parametrize('ending', ['.jpg', '.png', '.webp', '.tif'])
def test_image_shape_of_turned_photo(tmp_path, ending):
    """All readers agree, also on numbers that EXIF does not know."""
    path = tmp_path / f'photo{ending}'
    for orientation in (*range(10), 99):
        exif = Image.Exif()
        exif[0x0112] = orientation
        Image.new('RGB', (64, 48)).save(path, exif=exif)
        assert image_shape(str(path)) == read_frame(str(path)).shape[:2]


def test_exif_that_is_none(tmp_path):
    path = tmp_path / 'photo.jpg'
    for text in (b'', b'II*\0', b'garbage' * 9, b'MM\0*\0\0\0\x08\0\x09' * 2):
        exif = b'Exif\0\0' + text
        Image.new('RGB', (64, 48)).save(path, exif=exif)
        assert read_frame(str(path)).shape == (48, 64, 3)
        assert image_shape(str(path)) == (48, 64)


@pytest.mark.parametrize('ending', ['.png', '.tif'])
def test_gray_frames_of_16_bits(tmp_path, logged, ending):
    """As thermal cameras make them; a few levels would be left of 14 bits."""
    for name in 'ab':
        cv2.imwrite(str(tmp_path / f'{name}{ending}'), THERMAL)
    frame = read_frame(str(tmp_path / f'a{ending}'))
    assert frame.shape == (48, 64, 3) and frame.dtype == np.uint8
    levels = (THERMAL - 7000.0) * 255 / 1200
    np.testing.assert_allclose(frame, levels[..., None] * [1, 1, 1], atol=1)
    read_frame(str(tmp_path / f'b{ending}'))
    assert len(logged) == 1
    assert f'{tmp_path} holds gray frames of 16 bits' in logged[0]
    cv2.imwrite(str(tmp_path / 'gray.png'), THERMAL.astype(np.uint8))
    expected = THERMAL.astype(np.uint8)[..., None].repeat(3, 2)
    found = read_frame(str(tmp_path / 'gray.png'))
    np.testing.assert_array_equal(found, expected)
    assert len(logged) == 1


def test_another_size_is_said_once(tmp_path, paths, logged):
    other = str(tmp_path / 'other.png')
    Path(other).write_bytes(encode('.png', 50, 60))
    assert len(list(FrameReader([paths[0], other, paths[1], other]))) == 4
    assert logged == [
        f'{other} has another size than the frames before it, 60 x 50 px. '
        'Boxes are in the pixels of each frame; check the video.'
    ]


def textured(height=96, width=132, seed=0):
    """An image with detail at every scale: noise of 1, 2, 4, ... px."""
    rng = np.random.default_rng(seed)
    image = np.full((height, width, 3), 128.0)
    for cell in (1, 2, 4, 8, 16):
        cells = rng.normal(0, 2 * cell, (-(-height // cell), width, 3))
        cells = cells[:, : -(-width // cell)].astype(np.float32)
        image += cv2.resize(cells, (width, height))
    return np.clip(image, 0, 255).astype(np.uint8)


@pytest.fixture
def textured_jpg(tmp_path):
    path = tmp_path / 'textured.jpg'
    cv2.imwrite(str(path), textured(), [cv2.IMWRITE_JPEG_QUALITY, 90])
    return str(path)


@pytest.mark.parametrize('reduction', [1, 2, 4, 8])
def test_reduced_pixels_are_means(textured_jpg, reduction):
    """The bound of docs/en/throughput.md."""
    frame = read_frame(textured_jpg).astype(float)
    reduced, done = read_reduced(textured_jpg, reduction)
    assert done == reduction
    height, width = 96 // reduction, 132 // reduction
    # whole blocks: the last column of 132 / 8 is not one
    frame = frame[:, : width * reduction]
    blocks = frame.reshape(height, reduction, width, reduction, 3)
    error = abs(reduced[:, :width] - blocks.mean((1, 3)))
    assert reduced.shape == (height, -(-132 // reduction), 3)
    assert error.mean() <= (0 if reduction == 1 else 1)
    assert error.max() <= (0 if reduction == 1 else 24)


def test_only_jpegs_are_reduced(tmp_path):
    frame = textured()
    png, turned = tmp_path / 'frame.png', tmp_path / 'turned.jpg'
    cv2.imwrite(str(png), frame)
    reduced, done = read_reduced(str(png), 4)
    assert done == 1
    np.testing.assert_array_equal(reduced, frame[..., ::-1])
    exif = Image.Exif()
    exif[0x0112] = 6
    Image.fromarray(frame).save(turned, exif=exif)
    reduced, done = read_reduced(str(turned), 2)
    assert (done, reduced.shape) == (1, (132, 96, 3))
