"""Every layout: what is right, what is odd, and what is wrong with it."""

import hashlib
import multiprocessing
import re
import shutil
from pathlib import Path

import layouts
import numpy as np
import pytest
import storage
from layouts import split_rows

from mmsimtrack.datasets import FolderDataset, Got10kDataset, LaSOTDataset
from mmsimtrack.registry import DATASETS

NAN = float('nan')
ALL = sorted(storage.LAYOUTS)
VIDEOS = sorted(storage.SEQUENCES)
NUMBERED = ['got10k', 'lasot', 'nfs', 'otb100', 'trackingnet', 'uav123']
# name and first frame of the last sequence of each miniature
PARROT = 'Blue-Crowned Hanging-Parrot'
EXPECTED = {
    'coco': ('101', 'train2017/000000581929.jpg'),
    'folder': ('INF_woman_1', 'INF_woman_1/shot 1.png'),
    'got10k': ('seq_1', 'train/seq_1/00000001.jpg'),
    'lasot': ('airplane-11', 'airplane/airplane-11/img/00000001.jpg'),
    'nfs': ('dog_1', 'dog_1/30/dog_1/00001.jpg'),
    'otb100': ('Deer', 'Deer/img/0001.jpg'),
    'tnl2k': ('INF_woman_1', 'INF_woman_1/imgs/00001.jpg'),
    'trackingnet': ('TRAIN_0_video_0', 'TRAIN_0/frames/TRAIN_0_video_0/0.jpg'),
    'uav123': ('uav6', 'data_seq/UAV123/uav6/000001.jpg'),
    'vasttrack': (f'{PARROT}-15', f'{PARROT}/{PARROT}-15/imgs/00001.jpg'),
}


@pytest.fixture(params=ALL)
def layout(request):
    return request.param


@pytest.fixture
def cfg(layout, tmp_path):
    return storage.make(layout, tmp_path / 'data')


@pytest.fixture
def last(cfg):
    """Paths of the last sequence."""
    dataset = DATASETS.build(cfg)
    infos, _ = dataset.find_sources()
    annotation = infos[-1]['annotation'] if infos else dataset._annotation
    return dict(
        frames=[Path(p) for p in dataset.get_sequence(-1).frame_paths()],
        boxes=Path(annotation),
    )


def read_all(cfg, decode=True):
    """Everything of all sequences."""
    dataset, content = DATASETS.build(cfg), []
    for i in range(len(dataset)):
        s = dataset.get_sequence(i)
        some = {*range(min(8, len(s))), len(s) - 1} if decode else ()
        frames = [s.read_frame(t).tolist() for t in some]
        arrays = s.bboxes_xywh, s.visible, s.scored
        content.append([s.name, *(x.tolist() for x in arrays), frames])
    return content


def check(cfg, message):
    with pytest.raises((FileNotFoundError, ValueError), match=message):
        DATASETS.build(cfg)


def levels(sequence):
    """Gray levels of all frames, which tell their numbers."""
    frames = map(sequence.read_frame, range(len(sequence)))
    return [round(int(frame[40, 60, 0]), -1) for frame in frames]


# what is right


def test_boxes_and_frames(layout, cfg, tmp_path):
    sequence = DATASETS.build(cfg).get_sequence(-1)
    name, first = EXPECTED[layout]
    assert sequence.name == name
    assert sequence.frame_path(0) == str(tmp_path / 'data' / first)
    assert sequence.visible.all() and sequence.scored.all()
    if layout != 'coco':
        assert levels(sequence)[:8] == [10 * t for t in range(1, 9)]
        x, y = 16 + np.arange(8), 12 + np.arange(8)
        expected = np.stack([x, y, x + 16, y + 12], axis=1)
        np.testing.assert_array_equal(sequence.bboxes[:8], expected)


def test_zip_archives_equal_the_folder(layout, cfg, tmp_path):
    expected = read_all(cfg)
    storage.pack_zips(layout, tmp_path / 'data')
    assert read_all(cfg) == expected
    # by processes that share the archives which this one has opened
    with multiprocessing.get_context('fork').Pool(2) as pool:
        assert pool.map(read_all, [cfg] * 2) == [expected] * 2


@pytest.mark.parametrize('layout', VIDEOS)
def test_what_others_leave_behind_is_skipped(layout, cfg, last, tmp_path):
    """Hidden files and folders, and those of macOS and Jupyter."""
    expected = read_all(cfg)
    root, frames = tmp_path / 'data', last['frames'][0].parent
    for folder in {root, frames, frames.parent, last['boxes'].parent}:
        for name in ('.ipynb_checkpoints', '__MACOSX'):
            (folder / name).mkdir(exist_ok=True)
        for name in ('._1.jpg', '._x.txt', '.DS_Store', 'Thumbs.db'):
            (folder / name).write_text('no frame')
    assert read_all(cfg) == expected
    if layout != 'trackingnet':  # whose archives hold one video each
        storage.pack_zips('all', root)
        assert read_all(cfg) == expected


@pytest.mark.parametrize('layout', VIDEOS)
def test_endings_and_digits_of_frames(layout, cfg, last):
    """Endings are mixed; where frames are numbered, digits as well."""
    expected = read_all(cfg)
    for i, path in enumerate(last['frames'][:6]):
        ending = ('.JPG', '.jpeg', '.Jpeg')[i % 3]
        stem = path.stem.lstrip('0') or '0' if i % 2 else path.stem
        path.rename(path.with_name(stem + ending))
    assert read_all(cfg) == expected


def test_paths_are_no_format_strings(layout, tmp_path):
    cfg = storage.make(layout, tmp_path / '{2024} {} {name:d}%d')
    assert len(read_all(cfg)) == len(DATASETS.build(cfg))
    if layout in VIDEOS:
        dataset = DATASETS.build(dict(cfg, test_mode=True))
        assert len(list(dataset[0]['inputs'])) == len(dataset.get_sequence(0))


def test_frames_are_optional(layout, cfg, last):
    """To score results, annotations suffice."""
    expected = read_all(cfg, decode=False)
    frames = last['frames'][0].parent
    for path in last['frames']:
        path.unlink()
    if layout != 'folder' and not any(frames.iterdir()):
        frames.rmdir()
    cfg['frames_optional'] = True
    assert read_all(cfg, decode=False) == expected


LISTS = {'folder': 'a.txt', 'got10k': 'train/list.txt', 'vasttrack': 'a.txt'}


def write_list(layout, cfg, text, **options):
    Path(cfg['data_root'], LISTS[layout]).write_text(text, **options)
    if layout != 'got10k':
        cfg['list_file'] = LISTS[layout]


@pytest.mark.parametrize('layout', LISTS)
@pytest.mark.parametrize('encoding', ['utf-8', 'utf-16'])
def test_order_and_encoding_of_a_list(layout, cfg, encoding):
    names = [name for name, *_ in read_all(cfg, decode=False)][-2:]
    text = f'{names[1]}\r\n\r\n {names[0]}\t\n'
    write_list(layout, cfg, text, encoding=encoding)
    assert [name for name, *_ in read_all(cfg, False)] == names[::-1]


# what is odd

EMPTY = [(9, 9, 9, 9), (0, 0, 0, 0), (5, 5, 0, 4), (5, 5, 4, -1)]
# boxes after these; then which frames are visible, and which are scored
ODD = {
    # the kit reads flags, and has own rules for odd boxes
    'lasot': ([(9, 9, 9, 9)] * 4, '10001000', '11111000'),
    # the kit reads the cover only
    'got10k': ([(NAN,) * 4, *[(-9, 9, 9, 9)] * 4], '100000001', '111101001'),
    'tnl2k': ([], '1000', '1011'),
    'vasttrack': ([], '1000', '1011'),
    'trackingnet': ([], '1000', '1000'),
}
FLAGS = {
    'lasot': dict(occluded=(5, 6), out_of_view=(6, 7)),
    'got10k': dict(absent=(5, 6), uncovered=(6, 7)),
}


@pytest.mark.parametrize('layout', ODD)
def test_visible_and_scored(tmp_path, layout):
    boxes, *expected = ODD[layout]
    visible, scored = (list(map(int, x)) for x in expected)
    options = dict(FLAGS.get(layout, {}), bboxes_xywh=EMPTY + boxes)
    cfg = storage.make(layout, tmp_path, **options)
    dataset = DATASETS.build(cfg)
    sequence = dataset.get_sequence(0)
    assert sequence.visible.tolist() == visible
    assert sequence.scored.tolist() == scored
    sample = dataset[0]['data_samples'].gt_instances
    assert sample.visible.tolist() == scored
    expected = np.array(options['bboxes_xywh'], float)
    np.testing.assert_array_equal(sample.bboxes_xywh, expected)
    assert dataset.num_visible()[0] == sum(visible)


def test_labels_of_got10k_are_optional(make_got10k, tmp_path):
    options = dict(num_sequences=1, num_frames=3, absent=(1,), uncovered=(2,))
    (folder,) = make_got10k(tmp_path, **options)
    (folder / 'absence.label').unlink()
    sequence = Got10kDataset(tmp_path, 'train').get_sequence(0)
    assert sequence.visible.tolist() == [True, True, False]
    (folder / 'cover.label').unlink()
    sequence = Got10kDataset(tmp_path, 'train').get_sequence(0)
    assert sequence.visible.all() and sequence.scored.all()


@pytest.mark.parametrize('layout', ['got10k', 'trackingnet'])
def test_first_box_only(layout, tmp_path):
    if layout == 'got10k':
        layouts.make_got10k(tmp_path, 'test', num_frames=5)
    else:
        layouts.make_trackingnet(tmp_path, ['TEST'], num_frames=5)
    cfg = dict(storage.LAYOUTS[layout], split='test', data_root=str(tmp_path))
    dataset = DATASETS.build(dict(cfg, test_mode=True))
    sequence = dataset.get_sequence(0)
    assert len(sequence) == 5
    assert sequence.bboxes.tolist() == [[16, 12, 32, 24]]
    assert sequence.visible.tolist() == sequence.scored.tolist() == [True]
    assert dataset[0]['data_samples'].num_frames == 5


@pytest.mark.parametrize('flat', [False, True])
def test_mirrors_of_lasot_and_frames_after_the_last_box(tmp_path, flat):
    """Without a folder per class; more frames than boxes, as in monkey-17."""
    folders = layouts.make_lasot(tmp_path, flat=flat)
    frames = folders[1] / 'img'
    shutil.copy(frames / '00000008.jpg', frames / '00000009.jpg')
    dataset = LaSOTDataset(tmp_path, 'train', indices=2)
    assert dataset.num_frames().tolist() == [8, 8]
    path = dataset.get_sequence(0).frame_path(7)
    assert path == str(folders[0] / 'img/00000008.jpg')


@pytest.mark.parametrize('split', ['vottrain', 'votval'])
def test_vot_splits_of_got10k_need_no_list(make_got10k, tmp_path, split):
    names = split_rows(f'got10k_{split}')[:2]
    for folder, name in zip(make_got10k(tmp_path), names):
        folder.rename(folder.parent / name)
    (tmp_path / 'train/list.txt').unlink()
    dataset = Got10kDataset(tmp_path, split, indices=2)
    assert [dataset.get_sequence(i).name for i in range(2)] == names


def test_chunks_of_trackingnet(tmp_path):
    folders = [f'TRAIN_{chunk}' for chunk in range(12)]
    layouts.make_trackingnet(tmp_path, folders, num_frames=12)
    cfg = dict(type='TrackingNetDataset', split='train', data_root=tmp_path)
    dataset = DATASETS.build(cfg)
    assert len(dataset) == 12
    assert levels(dataset.get_sequence(11))[9:] == [100, 110, 120]
    names = [name for name, *_ in read_all(dict(cfg, chunks=(11, 2)), False)]
    assert names == ['TRAIN_11_video_0', 'TRAIN_2_video_0']
    message = r'TRAIN_12/anno is missing\. .* \(or set `chunks`\)'
    check(dict(cfg, chunks=[12]), message)


@pytest.mark.parametrize(
    'name, fits', [('advSamp_monitor_bikeyellow', 1), ('cat', 0)]
)
def test_a_row_too_many_in_tnl2k(tmp_path, name, fits):
    layouts.make_tnl2k(tmp_path, [name], num_frames=4)
    (tmp_path / name / 'imgs/00004.jpg').unlink()
    cfg = dict(type='TNL2KDataset', data_root=tmp_path)
    if fits:
        sequence = DATASETS.build(cfg).get_sequence(0)
        assert len(sequence) == len(sequence.bboxes_xywh) == 3
    else:
        check(cfg, 'holds 3 frames, but .* has 4 boxes.*revised annotations')


@pytest.mark.parametrize('repacked', [False, True])
@pytest.mark.parametrize('lacks', ['frame', 'box', 'two'])
def test_nfs_may_have_one_too_many(tmp_path, repacked, lacks):
    """As downloaded, where every eighth box counts."""
    cfg = storage.make('nfs', tmp_path, repacked=repacked)
    frames = tmp_path / ('sequences/dog_1' if repacked else 'dog_1/30/dog_1')
    boxes = tmp_path / 'anno/nfs_dog_1.txt' if repacked else f'{frames}.txt'
    if lacks == 'box':
        lines = Path(boxes).read_text().splitlines(keepends=True)
        Path(boxes).write_text(''.join(lines[: -1 if repacked else -8]))
    for number in {'frame': [8], 'two': [7, 8]}.get(lacks, []):
        (frames / f'0000{number}.jpg').unlink()
    if repacked or lacks == 'two':
        check(cfg, r'holds \d frames, but .* has \d boxes.*every eighth row')
    else:
        ((_, bboxes_xywh, *_),) = read_all(cfg)
        assert [x for x, *_ in bboxes_xywh] == list(range(16, 23))


def test_targets_and_ranges_of_otb(tmp_path):
    """Two targets in a video, and files that begin before their sequence."""
    rows = {
        'Jogging-1': (307, range(1, 308), 1, 307),
        'Jogging-2': (307, range(2, 309), 1, 307),
        'Tiger1': (354, range(1, 355), 6, 349),
        'BlurCar3': (360, range(3, 360), 3, 357),
    }
    for name, (last, numbers, *_) in rows.items():
        video, _, target = name.partition('-')
        (tmp_path / video / 'img').mkdir(parents=True, exist_ok=True)
        for number in range(1, last + 1):  # frames that nobody decodes
            (tmp_path / f'{video}/img/{number:04d}.jpg').touch()
        file = f'{video}/groundtruth_rect{target and "."}{target}.txt'
        text = ''.join(f'{t}\t1\t5\t5\n' for t in numbers)
        (tmp_path / file).write_text(text)
    names = [row.split()[0] for row in split_rows('otb100')]
    cfg = dict(type='OTB100Dataset', data_root=tmp_path)
    for name, (_, numbers, frame, length) in rows.items():
        dataset = DATASETS.build(dict(cfg, indices=[names.index(name)]))
        sequence = dataset.get_sequence(0)
        assert sequence.frame_path(0).endswith(f'/{frame:04d}.jpg')
        assert len(sequence) == len(sequence.bboxes_xywh) == length
        assert sequence.bboxes_xywh[0, 0] == max(frame, numbers[0])


def test_range_of_a_video_of_uav123(tmp_path):
    layouts.make_uav123(tmp_path, ['truck4_2'], absent=(2,))
    names = [row.split()[0] for row in split_rows('uav123')]
    indices = [names.index('truck4_2')]
    cfg = dict(type='UAV123Dataset', data_root=tmp_path, indices=indices)
    sequence = DATASETS.build(cfg).get_sequence(0)
    assert sequence.frame_path(0).endswith('truck4/000577.jpg')
    assert sequence.frame_path(684).endswith('truck4/001261.jpg')
    assert np.isnan(sequence.bboxes_xywh[2]).all()
    assert np.flatnonzero(~sequence.visible).tolist() == [2]


@pytest.mark.parametrize(
    ('frames', 'level'), [('img', ''), ('img', 'test'), ('imgs', 'test')]
)
def test_split_of_vasttrack(tmp_path, frames, level):
    """The classes in `test` count, where they are there."""
    layouts.make_vasttrack(tmp_path, ['Aardwolf-1', 'Aardwolf-3'])
    options = dict(num_frames=11, frame_name=f'{frames}/{{}}.jpg')
    layouts.make_vasttrack(tmp_path / level, ['Aardwolf-1'], **options)
    if not level:
        shutil.rmtree(tmp_path / 'Aardwolf/Aardwolf-1/imgs')
    cfg = dict(type='VastTrackDataset', data_root=tmp_path, split='test')
    sequence = DATASETS.build(dict(cfg, indices=1)).get_sequence(0)
    folder = tmp_path / level / f'Aardwolf/Aardwolf-1/{frames}'
    assert sequence.frame_path(10) == str(folder / '11.jpg')
    assert levels(sequence)[-1] == 110
    check(cfg, rf'Aardwolf-2/{frames} is missing\. Expected a folder of')


def test_folders_of_ones_own(tmp_path):
    """Numbers in names are compared as numbers; boxes lie elsewhere."""
    storage.make_folders(tmp_path / 'videos/day', num_frames=12)
    (tmp_path / 'boxes/day').mkdir(parents=True)
    for path in (tmp_path / 'videos/day').glob('*.txt'):
        shutil.move(path, tmp_path / 'boxes/day')
    (tmp_path / 'part.txt').write_text('day/INF_woman_1\n')
    places = 'videos/{}', 'boxes/{}.txt'
    dataset = FolderDataset(tmp_path, *places, list_file='part.txt')
    (sequence,) = [dataset.get_sequence(i) for i in range(len(dataset))]
    assert sequence.name == 'day_INF_woman_1'
    assert levels(sequence) == [10 * t for t in range(1, 13)]


# the lists: row by row those of the data sets' authors and of other toolkits;
# the splits of LaSOT and of GOT-10k share no sequence
DIGESTS = {
    'lasot_train': 'a8e576e085c443d8',
    'lasot_test': '11709952a85f4230',
    'lasot_ext': 'c042b7c92e687f7c',
    'got10k_vottrain': 'b886d325b0bfe730',
    'got10k_votval': 'f939ad3b093d6143',
    'uav123': 'b25d8e3d79992aff',
    'otb100': '1713127a7ea7daf9',
    'nfs': 'e475c04659f6666c',
}


@pytest.mark.parametrize('name, digest', DIGESTS.items())
def test_lists_stay_as_they_are(name, digest):
    rows = '\n'.join(split_rows(name)).encode()
    assert hashlib.sha256(rows).hexdigest().startswith(digest)


# what is wrong


def test_missing_data_root(layout, cfg, tmp_path):
    cfg['data_root'] = str(tmp_path / 'none')
    message = (
        rf'{cfg["type"]}: {tmp_path}/none does not exist\. Expected the data '
        r'set as downloaded; docs/en/prepare_datasets.md says where to get it'
    )
    check(cfg, message)


WRONG_OPTIONS = [
    ('lasot', dict(split='val'), "'val', expected one of .'train', 'te"),
    ('got10k', dict(split='all'), "'all', expected one of .'train', 'vot"),
    ('trackingnet', dict(split='TEST'), "'TEST', expected one of"),
    ('tnl2k', dict(split='val'), "'val', expected one of"),
    ('vasttrack', dict(split='val'), "'val', expected one of"),
    ('coco', dict(split='test'), "'test', expected one of .'train', 'val"),
    ('vasttrack', dict(split='test', list_file='a'), "'a', expected one of"),
    ('folder', dict(frames='img'), "frames is 'img', expected a path wi"),
    ('folder', dict(boxes='{}/{}'), "boxes is '{}/{}', expected a path"),
    ('folder', dict(list_file='a.txt'), 'a.txt is missing. Expected a li'),
    ('folder', dict(frames='v/{}'), 'v is missing. Expected one folder p'),
]


@pytest.mark.parametrize('layout, options, message', WRONG_OPTIONS)
def test_wrong_options(layout, options, message, cfg):
    check({**cfg, **options}, re.escape(message).replace(r'\.', '.'))


@pytest.mark.parametrize('layout', LISTS)
@pytest.mark.parametrize('name', ['../../victim', '/etc/a', '..', 'a\\b', '.'])
def test_names_that_are_no_names_of_files(layout, name, cfg):
    """Results would be written elsewhere."""
    write_list(layout, cfg, f'{name}\n')
    message = f'{cfg["type"]}: .* lists the sequence {re.escape(repr(name))}'
    if layout == 'folder' and '/' in name:
        message = 'is missing'
    check(cfg, message)


@pytest.mark.parametrize('layout', VIDEOS)
@pytest.mark.parametrize('middle', [True, False])
def test_missing_frame(layout, cfg, last, middle):
    frames = last['frames']
    frame = frames[len(frames) // 2 if middle else -1]
    frame.unlink()
    if layout in ('uav123', 'otb100') or (middle and layout in NUMBERED):
        check(cfg, f'{frame} is missing. Expected a frame of the sequence')
    else:
        if layout == 'nfs':  # where the last may be missing
            frames[-2].unlink()
        message = r'frames, but .* has 8 boxes\. Expected one box per frame'
        check(cfg, rf'{frame.parent} holds \d {message}')


@pytest.mark.parametrize('layout', NUMBERED)
def test_a_number_twice(layout, cfg, last):
    frame = last['frames'][0]
    shutil.copy(frame, frame.with_name(f'0{frame.stem}.png'))
    check(cfg, rf'{frame.parent} holds .*{frame.name}.*, expected one frame')


@pytest.mark.parametrize('content', [b'', b'<html>not found</html>', None])
def test_broken_frame(layout, cfg, last, content):
    frame = last['frames'][-1]
    if content is None:
        content = frame.read_bytes()[:-100]
    frame.write_bytes(content)
    message = f'{frame} is (empty, expected an image|truncated or no image)'
    sequence = DATASETS.build(cfg).get_sequence(-1)
    with pytest.raises(ValueError, match=message):
        sequence.read_frame(len(sequence) - 1)
    if layout != 'coco':  # whose images are not tracked
        check(dict(cfg, test_mode=True), message)


def test_missing_folder_of_frames(cfg, last):
    folder = last['frames'][0].parent
    folder.rename(folder.with_name('elsewhere'))
    message = r' is missing\. Expected a folder of frames; unpack the full ar'
    if cfg['type'] == 'FolderDataset':  # there, a folder is a sequence
        message = 'elsewhere'
    check(cfg, message)


@pytest.mark.parametrize('text', [None, '', '1,2,3,4\n1,2,?,4'])
def test_missing_or_wrong_annotation(layout, cfg, last, text):
    wrong = {
        'coco': 'is no COCO annotation file, or not a complete one',
        'nfs': "line 1: found '1 2 3 4', expected id, x1, y1, x2, y2, fra",
    }.get(layout, "line 2: found '1 2 . 4', expected four numbers")
    path = last['boxes']
    if text is not None:
        path.write_text(text)
        check(cfg, f'{path}.* ({wrong}|is empty)')
        return
    path.unlink()
    # annotations are the list of TrackingNet
    listed = 'TrackingNetDataset: .*/data holds no sequence'
    check(cfg, listed if layout == 'trackingnet' else f'{path} is missing')


def test_short_annotation(layout, cfg, last):
    lines = last['boxes'].read_text().splitlines(keepends=True)
    rows = lines[: -16 if layout == 'nfs' else -1]  # two boxes of NfS
    last['boxes'].write_text(''.join(rows) or '{"annotations": [')
    messages = {
        'coco': 'is no COCO annotation file, or not a complete one',
        'lasot': 'full_occlusion.txt has 8 values, but .* it has 7 boxes',
        'otb100': 'holds 71 frames, but .* has 70 boxes.* from the site of th',
        'uav123': 'holds 109 frames, but .*108 boxes.*UAV123@10fps do not fit',
    }
    default = r'holds 8 frames, but .* has \d boxes\. Expected one box per fra'
    check(cfg, messages.get(layout, default))
    if layout in ('otb100', 'uav123'):  # a range is known without frames
        for path in last['frames']:
            path.unlink()
        check(dict(cfg, frames_optional=True), messages[layout])


LABELS = {
    '0\n1\n': 'has 2 values, but the annotation beside it has 8 boxes',
    '0\nno\n': "line 2: found 'no', expected one integer per line",
    '': 'is empty. Expected one line per frame',
}


WRONG_LABELS = [
    ('lasot', 'full_occlusion.txt'),
    ('lasot', 'out_of_view.txt'),
    ('got10k', 'absence.label'),
    ('got10k', 'cover.label'),
]


@pytest.mark.parametrize('layout, name', WRONG_LABELS)
def test_wrong_labels(layout, cfg, last, name):
    path = last['boxes'].with_name(name)
    for text, message in LABELS.items():
        path.write_text(text)
        check(cfg, f'{path}.*{message}')
    path.unlink()
    if layout == 'lasot':
        check(cfg, f'{path} is missing. Expected a text file with one line')
