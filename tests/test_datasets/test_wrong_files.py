"""One wrong file in each layout gives the documented error."""

from pathlib import Path

import pytest
import storage

from mmsimtrack.registry import DATASETS

LENGTHS = {
    'otb100': r'groundtruth_rect.txt has 70 boxes, expected 71',
    'nfs': r'holds 8 frames \(.*\), but .* has 6 boxes\. Expected one box',
    'lasot': r'full_occlusion.txt has 8 values, but groundtruth.txt beside '
    'it has 7 boxes',
    'uav123': r'uav6.txt has 108 boxes, expected 109',
}


@pytest.fixture(params=sorted(storage.LAYOUTS))
def layout(request):
    return request.param


@pytest.fixture
def cfg(layout, tmp_path):
    return storage.make(layout, tmp_path / 'data')


@pytest.fixture
def info(cfg):
    """Paths of the second sequence, or of the only one."""
    dataset = DATASETS.build(cfg)
    infos, _ = dataset.find_sources()
    paths = dataset.get_sequence(len(dataset) - 1).frame_paths()
    annotation = infos[-1]['annotation'] if infos else dataset._annotation
    return dict(frames=[Path(p) for p in paths], boxes=Path(annotation))


def check(cfg, message):
    with pytest.raises((FileNotFoundError, ValueError), match=message) as e:
        DATASETS.build(cfg)
    return e.type


def read_last(cfg):
    sequence = DATASETS.build(cfg).get_sequence(-1)
    return sequence.read_frame(len(sequence) - 1)


@pytest.mark.parametrize('middle', [True, False])
def test_missing_frame(layout, cfg, info, middle):
    frames = info['frames']
    frame = frames[len(frames) // 2 if middle else -1]
    frame.unlink()
    if layout == 'coco':  # 118,287 files are not looked for in advance
        with pytest.raises(FileNotFoundError, match=f'{frame} is missing'):
            read_last(cfg)
    elif layout in ('lasot', 'uav123', 'otb100', *['nfs'] * middle):
        check(cfg, f'{frame} is missing. Expected a frame of the sequence')
    else:
        num_frames = 7
        if layout == 'nfs':  # where the last may be missing
            frames[-2].unlink()
            num_frames = 6
        message = r'frames \(.*\), but .* has 8 boxes\. Expected one'
        check(cfg, f'{frame.parent} holds {num_frames} {message}')


@pytest.mark.parametrize(
    'content, message',
    [
        (b'', 'is empty, expected an image'),
        (b'<html>not found</html>', 'is truncated or no image'),
        (None, 'is truncated or no image'),
    ],
)
def test_broken_frame(cfg, info, content, message):
    frame = info['frames'][-1]
    if content is None:
        content = frame.read_bytes()
        content = content[: len(content) // 2]
    frame.write_bytes(content)
    with pytest.raises(ValueError, match=f'{frame} {message}'):
        read_last(cfg)


def test_broken_frame_is_found_before_tracking(layout, cfg, info):
    if layout == 'coco':
        pytest.skip('no videos')
    info['frames'][0].write_bytes(b'')
    message = f'{info["frames"][0]} is empty, expected an image'
    check(dict(cfg, test_mode=True), message)


def test_missing_folder_of_frames(cfg, info):
    folder = info['frames'][0].parent
    folder.rename(folder.with_name('elsewhere'))
    if cfg['type'] in ('FolderDataset', 'TNL2KDataset', 'VastTrackDataset'):
        # there, a folder is a sequence
        check(cfg, r'elsewhere|imgs is missing\. Expected a folder of frames')
    else:
        check(cfg, f'{folder} is missing. Expected a folder of frames')


def test_missing_annotation(layout, cfg, info):
    info['boxes'].unlink()
    if layout == 'trackingnet':  # whose annotations are the list
        check(cfg, 'TrackingNetDataset: no sequence in')
    else:
        assert check(cfg, f'{info["boxes"]} is missing') is FileNotFoundError


def test_short_annotation(layout, cfg, info):
    lines = info['boxes'].read_text().splitlines(keepends=True)
    kept = lines[: -16 if layout == 'nfs' else -1]  # two boxes of NfS
    info['boxes'].write_text(''.join(kept) or '{"annotations": [')
    default = r'holds 8 frames \(.*\), but .* has 7 boxes\. Expected one box'
    if layout == 'coco':
        default = 'is no COCO annotation file, or not a complete one'
    check(cfg, LENGTHS.get(layout, default))


@pytest.mark.parametrize(
    'text, message',
    [
        ('', 'is empty'),
        ('1,2,3,4\n1,2,3\n', "line 2: found '1 2 3', expected four numbers"),
        ('1,2,3,4\n1,2,?,4\n', r"line 2: found '1 2 \? 4', expected four"),
    ],
)
def test_wrong_annotation(layout, cfg, info, text, message):
    info['boxes'].write_text(text)
    if layout == 'coco':
        message = 'is no COCO annotation file, or not a complete one'
    elif layout == 'nfs' and text:
        message = "line 1: found '1 2 3 4', expected id, x1, y1, x2, y2, fra"
    check(cfg, f'{info["boxes"]}.* {message}')


@pytest.mark.parametrize(
    'layout, name',
    [
        ('lasot', 'full_occlusion.txt'),
        ('lasot', 'out_of_view.txt'),
        ('got10k', 'absence.label'),
        ('got10k', 'cover.label'),
    ],
)
@pytest.mark.parametrize(
    'text, message',
    [
        ('0\n1\n', 'has 2 values, but groundtruth.txt beside it has 8 boxes'),
        ('0\nno\n', "line 2: found 'no', expected one integer per line"),
        ('', 'is empty. Expected one line per frame'),
    ],
)
def test_wrong_labels(cfg, info, name, text, message):
    path = info['boxes'].with_name(name)
    path.write_text(text)
    check(cfg, f'{path}.*{message}')
