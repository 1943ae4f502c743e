"""Frames, pictures with boxes (COCO), videos, archives, first boxes."""

import io
import json
import os
import re
import struct
import zipfile
import zlib
from functools import partial
from pathlib import Path

import clips
import layouts
import numpy as np
from cases import INPUTS, Case
from drifter import Drifter
from PIL import Image
from storage import check_arguments

from mmsimtrack.apis import sot_inferencer
from mmsimtrack.datasets.frames import read_frame, read_limit

FORMATS = ('jpg', 'png', 'bmp', 'webp', 'tif')
# what is wrong with the file of a frame, and whether only decoding finds it
BROKEN_FRAMES = {
    'empty': lambda data: b'',
    'cut': lambda data: data[: len(data) // 2],
    'cut by ten bytes': lambda data: data[:-10],
    'cut in the header': lambda data: data[:20],
    'page': lambda data: b'<html>404</html>' * 99,
    'zeros': lambda data: bytes(len(data)),
    'zeros after half': lambda data: data[: len(data) // 2].ljust(
        len(data), b'\0'
    ),
    'lfs': lambda data: b'version https://git-lfs.github.com/spec/v1\n',
    'text of numbers': lambda data: b'1,2,3,4\n' * 9,
}
JPEGS = {
    'cut and ended': lambda data: data[: len(data) // 2] + b'\xff\xd9',
    'a hole in the scan': lambda data: (
        data[: -len(data) // 2] + data[-len(data) // 4 :]
    ),
    'a scan of zeros': lambda data: (
        data[: -len(data) // 2] + bytes(len(data) // 2 - 2) + b'\xff\xd9'
    ),
}


def encoded(ending, size=(64, 48), seed=0):
    rng = np.random.default_rng(seed)
    pixels = rng.integers(0, 256, (size[1], size[0], 3), np.uint8)
    file = io.BytesIO()
    kind = {'jpg': 'jpeg', 'tif': 'tiff'}.get(ending, ending)
    Image.fromarray(pixels).save(file, kind)
    return file.getvalue()


def png_of(width, height):
    """A PNG whose header promises a size."""
    head = struct.pack('>IIBBBBB', width, height, 8, 2, 0, 0, 0)
    data = b'\x89PNG\r\n\x1a\n'
    for name, content in ((b'IHDR', head), (b'IDAT', zlib.compress(b''))):
        code = struct.pack('>I', zlib.crc32(name + content))
        data += struct.pack('>I', len(content)) + name + content + code
    return data + struct.pack('>I', 0) + b'IEND\xaeB`\x82'


def jpeg_of(width, height):
    """A JPEG whose header promises a size."""
    data = encoded('jpg')
    place = data.index(b'\xff\xc0') + 5
    return data[:place] + struct.pack('>HH', height, width) + data[place + 4 :]


BOMBS = {
    'png 60000': ('png', png_of(60000, 60000)),
    'png 2**31': ('png', png_of(2**31 - 1, 2**31 - 1)),
    'png 0': ('png', png_of(0, 9)),
    'jpg 65500': ('jpg', jpeg_of(65500, 65500)),
    'jpg 0': ('jpg', jpeg_of(0, 9)),
}


def sequence_of(folder, ending, content):
    """A sequence of three frames, the second of which is this file."""
    frames = folder / 'data/cat'
    frames.mkdir(parents=True)
    for i in range(3):
        data = content if i == 1 else encoded(ending, seed=i)
        (frames / f'{i}.{ending}').write_bytes(data)
    (frames / 'groundtruth.txt').write_text('9,9,9,9\n' * 3)
    return dict(type='FolderDataset', data_root=folder / 'data')


def frames():
    for text in ('abc', '-1', '0', '1e9', '2**9', 'nan', ' '):
        yield Case(
            f'MMSIMTRACK_MAX_PIXELS={text}',
            lambda _, text=text: lambda: read_limit(text),
            says=('MMSIMTRACK_MAX_PIXELS is', re.escape(text)),
        )
    for ending in FORMATS:
        for name, change in BROKEN_FRAMES.items():
            if ending in ('tif', 'bmp', 'webp') and 'half' in name:
                continue  # decodes without a sign
            yield from _frame_cases(
                f'{ending} {name}', ending, change(encoded(ending))
            )
    for name, (ending, content) in BOMBS.items():
        yield from _frame_cases(name, ending, content)
    for name, change in JPEGS.items():
        content = change(encoded('jpg', (200, 200)))
        yield _frame_check(f'jpg {name}', 'jpg', content)
    for row in ('0,0,1e5,1e5', '9,9,9,700', '-1e6,-1e6,2e6,2e6'):
        yield Case(f'check box {row}', partial(_boxed, row), 1, ('10 times',))
    yield Case('check sizes', _sizes, 1, ('64 x 48 and 80 x 60 px',))
    for name in ('._1.jpg', '.1.jpg', 'Thumbs.db', '.ipynb_checkpoints/1.jpg'):
        yield Case(f'beside frames: {name}', partial(_beside, name), 0)


def _frame_cases(name, ending, content):
    def make(folder):
        path = folder / f'frame.{ending}'
        path.write_bytes(content)
        return lambda: read_frame(str(path))

    yield Case(f'frame {name}', make, 2, (f'frame.{ending}',))
    yield _frame_check(name, ending, content)


def _frame_check(name, ending, content):
    def make(folder):
        return check_arguments(
            sequence_of(folder, ending, content), '--decode'
        )

    return Case(f'check frame {name}', make, 1, (rf'cat/1\.{ending}',))


def _boxed(row, folder):
    cfg = sequence_of(folder, 'jpg', encoded('jpg'))
    path = folder / 'data/cat/groundtruth.txt'
    path.write_text(f'9,9,9,9\n{row}\n9,9,9,9\n')
    return check_arguments(cfg)


def _sizes(folder):
    cfg = sequence_of(folder, 'jpg', encoded('jpg', (80, 60)))
    return check_arguments(cfg, '--decode')


def _beside(name, folder):
    cfg = sequence_of(folder, 'jpg', encoded('jpg'))
    path = folder / 'data/cat' / name
    path.parent.mkdir(exist_ok=True)
    path.write_bytes(b'x')
    return check_arguments(cfg, '--decode')


# changes of annotations in the format of COCO, and what the check then says
BAD_BOXES = ([1, 2, 3], [1, 2, 3, 'x'], ['a'] * 4, [1, 2, None, 4], 'abcd', 7)
BAD_BOXES += ([float('nan')] * 4, [0, 0, float('inf'), 1], {'x': 1}, True)
BAD_BOXES += ([[1, 2, 3, 4]], [0, 0, 1e160, 1])
BAD_IDS = (None, [1], {'a': 1}, 'x\0y', '')
BAD_NAMES = (None, 7, ['a'], '', '/etc', '../..', 'no.jpg', 'a\0b', {'a': 1})
BAD_PARTS = (None, 7, 'x', {}, [None], [7], ['x'], [[]])


def _change(part, key, value, content):
    content[part][0][key] = value


def _drop(part, key, content):
    del content[part][0][key]


def _replace(part, value, content):
    content[part] = value


def _changes(part, key, values):
    """Changes of a key of the first row, by name."""
    return {
        f'{key} {i}': partial(_change, part, key, value)
        for i, value in enumerate(values)
    }


PARTS = ('images', 'annotations')
KEYS = [(part, 'id') for part in PARTS]
KEYS += [('images', 'file_name'), ('annotations', 'image_id')]
# what the message names, and changes
COCO = {
    'annotation 100': {
        **_changes('annotations', 'bbox', BAD_BOXES),
        **_changes('annotations', 'image_id', BAD_IDS),
    },
    'annotation|instances': {
        **_changes('annotations', 'id', BAD_IDS),
        **{f'{p} without {key}': partial(_drop, p, key) for p, key in KEYS},
    },
    'instances_train2017|train2017/|/etc': {
        **_changes('images', 'file_name', BAD_NAMES)
    },
    'instances_train2017.json': {
        f'{part} {i}': partial(_replace, part, value)
        for part in PARTS
        for i, value in enumerate(BAD_PARTS)
    },
}
COCO['instances_train2017.json'] |= {
    f'no {part}': lambda content, part=part: content.pop(part)
    for part in PARTS
}
for part in PARTS:
    repeat = partial(lambda p, content: content[p].append(content[p][0]), part)
    COCO[f'of the `{part}` have the id'] = {f'{part} twice': repeat}
OUTLINES = [[[1, 2, 3]], 7, dict(counts='xyz', size=[4, 4])]
OUTLINES += [dict(counts=[1], size=[n, 9]) for n in (-1, 10**6, 'x', 1e9)]
OUTLINES += [dict(counts=[-5, 21], size=[4, 4]), dict(size=[4, 4])]
OUTLINES += [dict(counts=c, size=[4, 4]) for c in ('x', '', '04', 7, 'é', [])]
FINE_BOXES = ([], None, [0, 0, 0, 0], ['1', '2', '3', '4'])
NESTED = {'bbox': [1, 'x']}
COCO_FINE = {
    'no box': partial(_drop, 'annotations', 'bbox'),
    'a crowd': partial(_change, 'annotations', 'iscrowd', 1),
    'nested bbox': partial(_change, 'annotations', 'attributes', NESTED),
    **_changes('annotations', 'bbox', FINE_BOXES),
}
COCO_BYTES = {
    'empty': lambda data: b'',
    'cut': lambda data: data[: len(data) // 2],
    'a list': lambda data: b'[' + data + b']',
    'no utf-8': lambda data: data.replace(b'"dog"', b'"d\xe9g"') + b'\xff',
    'deep': lambda data: b'[' * 99999,
    'page': lambda data: b'<html>',
    'huge number': lambda data: data.replace(b'9,', b'9' * 5000 + b','),
}


def coco():
    def changed(change, of_bytes=False, **options):
        def make(folder):
            root = folder / 'data'
            layouts.make_coco(root)
            path = root / 'annotations/instances_train2017.json'
            if of_bytes:
                path.write_bytes(change(path.read_bytes()))
            else:
                content = json.loads(path.read_text())
                change(content)
                path.write_text(json.dumps(content))
            cfg = dict(type='CocoDataset', split='train', data_root=root)
            return check_arguments(cfg | options)

        return make

    for says, changes in COCO.items():
        for name, change in changes.items():
            yield Case(f'coco {name}', changed(change), 1, (says,))
    for code in OUTLINES:
        change = partial(_change, 'annotations', 'segmentation', code)
        make = changed(change, masks=True)
        says = ('annotation 100: its segmentation',)
        yield Case(f'coco outline {code}', make, 1, says)
    for name, change in COCO_FINE.items():
        yield Case(f'coco with {name}', changed(change), 0)
    for name, change in COCO_BYTES.items():
        make = changed(change, True)
        yield Case(f'coco: {name}', make, 1, ('instances_train2017.json',))


ZIPS = {
    'empty': lambda data: b'',
    'cut': lambda data: data[: len(data) // 2],
    'cut by ten bytes': lambda data: data[:-10],
    'page': lambda data: b'<html>',
    'the end only': lambda data: b'PK\x05\x06' + bytes(18),
    'bad checksums': lambda data: data.replace(b'9,9,9,9', b'9,9,8,9'),
    'zeros in front': lambda data: bytes(60) + data[60:],
}


def archives():
    def packed(change, member=None):
        def make(folder):
            cfg = sequence_of(folder, 'png', encoded('png'))
            file = io.BytesIO()
            with zipfile.ZipFile(file, 'w') as archive:
                for path in sorted((folder / 'data/cat').iterdir()):
                    archive.write(path, f'cat/{path.name}')
                    path.unlink()
                if member:
                    member(archive)
            (folder / 'data/cat').rmdir()
            path = folder / 'data/cat.zip'
            path.write_bytes(change(file.getvalue()))
            return check_arguments(cfg, '--decode')

        return make

    def same(data):
        return data

    def zeros(archive):  # deflated to a thousandth
        content = zipfile.ZipInfo('cat/2.png')
        content.compress_type = zipfile.ZIP_DEFLATED
        archive.writestr(content, bytes(2**24))

    def bzip(archive):
        archive.writestr('cat/3.png', b'x' * 99, zipfile.ZIP_BZIP2)

    def hidden(archive):
        archive.writestr('__MACOSX/cat/._1.png', b'x')
        archive.writestr('cat/._1.png', b'x')
        archive.writestr('cat/.DS_Store', b'x')

    def outside(archive):
        archive.writestr('../evil.png', b'x')
        archive.writestr('/evil.png', b'x')

    def encrypt(data):  # the flag alone
        place = data.index(b'PK\x01\x02')
        return data[: place + 8] + b'\x01' + data[place + 9 :]

    def make_pipe(folder):
        cfg = sequence_of(folder, 'png', encoded('png'))
        os.mkfifo(folder / 'data/other.zip')
        return check_arguments(cfg)

    yield Case('zip: a pipe', make_pipe, 0)
    for name, change in ZIPS.items():
        yield Case(
            f'zip: {name}', packed(change), 1, (r'cat(\.zip)?|holds no',)
        )
    yield Case('zip: encrypted', packed(encrypt), 1, (r'cat\.zip',))
    yield Case('zip: zeros', packed(same, zeros), 1, (r'cat/2\.png',))
    yield Case('zip: other method', packed(same, bzip), 1, (r'cat\.zip',))
    start = packed(lambda data: b'x' * 99 + data)
    yield Case('zip: a start of its own', start, 0)
    yield Case('zip: hidden files', packed(same, hidden), 0)
    yield Case('zip: outside', packed(same, outside), 0)


VIDEOS = 'empty', 'cut in the header', 'page', 'zeros', 'text of numbers'


def tracked(*args, box='0,20,16,24'):
    """A function that prepares a run with a tracker without a network."""

    def make(folder):
        os.environ.pop('DISPLAY', None)
        sot_inferencer.init_model = lambda *_, **__: Drifter()  # restored
        if not Path('clip.mp4').exists():
            clips.write_clip(folder / 'clip.mp4')
        return ['track', *args, f'--box={box}']

    return make


def videos():
    for box in INPUTS['boxes']:
        make = tracked('clip.mp4', box=box)
        yield Case(f'--box {box!r}', make, 2, ('box|expected',), _no_results)
    for option in INPUTS['track']:
        name, _, value = option.partition(' ')
        make = tracked('clip.mp4', f'{name}={value}')
        yield Case(f'track {option}', make, 2, (), _no_results)
    make_late = tracked('clip.mp4', '--box-at=99:1,2,3,4')
    yield Case('a box after the end', make_late, 1, ('before frame 99',))
    for ending in ('mp4', 'avi', 'mkv', 'gif', 'webp'):
        for name in VIDEOS:

            def make(folder, change=BROKEN_FRAMES[name], ending=ending):
                clips.write_clip(folder / 'clip.mp4')
                data = change((folder / 'clip.mp4').read_bytes())
                (folder / f'bad.{ending}').write_bytes(data)
                return tracked(f'bad.{ending}')(folder)

            says = (rf'bad\.{ending}',)
            yield Case(f'{ending}: {name}', make, 2, says, _no_results)
    for share in (0.7, 0.9):

        def make(folder, share=share):
            path = clips.write_clip(folder / 'clip.mkv')
            data = path.read_bytes()
            path.write_bytes(data[: int(share * len(data))])
            return tracked('clip.mkv')(folder)

        yield Case(f'video cut at {share}', make, 0, ('of 24 frames',))
    for name in ('no.mp4', 'none/*.jpg', '%d.png', '77', '', '/dev/null'):
        yield Case(f'source {name!r}', tracked(name), 2, (), _no_results)


def _no_results(folder, _):
    assert not list(folder.glob('work_dirs/**/*.csv'))


def all_cases():
    yield from frames()
    yield from coco()
    yield from archives()
    yield from videos()
