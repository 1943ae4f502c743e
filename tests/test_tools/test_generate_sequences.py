"""Tests of tools/dataset_converters/generate_sequences.py."""

import json
import shutil
from dataclasses import replace

import cv2
import generate_sequences as tool
import numpy as np
import pytest
from processes import python
from synthetic import photos as photos_module
from synthetic import scene as scene_module
from synthetic.looks import Look, Textures
from synthetic.photos import PhotoTextures, hold_out
from synthetic.scene import ScenePainter, Sprite

from mmsimtrack.datasets.coco import read_outline
from mmsimtrack.fileio import read_bboxes_xywh
from mmsimtrack.structures import aligned_iou, xyxy_to_xywh

SMALL = (
    '--num-train 3 --train-frames 4 --num-val 1 --val-frames 5 '
    '--size 96 72 --jobs 1'
).split()
SQUARE = np.array([[-0.5, -0.5], [0.5, -0.5], [0.5, 0.5], [-0.5, 0.5]])
WHITE = np.full((64, 64, 3), 255, np.uint8)
IOUS = np.arange(21) * 0.05


def contents(folder):
    """Bytes of every file below a folder, by relative path."""
    files = [path for path in sorted(folder.rglob('*')) if path.is_file()]
    return {str(p.relative_to(folder)): p.read_bytes() for p in files}


@pytest.fixture(scope='module')
def generated(tmp_path_factory):
    folder = tmp_path_factory.mktemp('generated') / 'out'
    tool.main([str(folder), *SMALL])
    return folder


@pytest.fixture(scope='module')
def scenes():
    """The scenes of the demo's val split."""
    args = tool.parse_args(['out'])
    return [tool.draw_sequence(args, 'val', i) for i in range(24)]


class Flat(Textures):
    """White objects on a black background."""

    def texture(self, rng, height, width):
        return np.full((height, width, 3), 255, np.uint8)

    def background(self, rng, height, width):
        return np.zeros((height, width, 3), np.uint8)


def without_effects(scene, sprites):
    """The scene with these objects only, seen by a perfect camera."""
    return replace(scene, sprites=tuple(sprites), effects={}, noise=0)


def test_same_seed_same_bytes_for_any_number_of_jobs(generated, tmp_path):
    again = tmp_path / 'again'
    python(tool.__file__, again, *SMALL, '--jobs=2')
    assert contents(again) == contents(generated)


def test_sequences_follow_from_seed_split_and_number(generated, tmp_path):
    tool.main([str(tmp_path / 'other'), *SMALL, '--seed', '1'])
    tool.main([str(tmp_path / 'fewer'), *SMALL, '--num-train', '2'])
    names = ['train/Synthetic_Train_00000', 'val/Synthetic_Val_00000']
    names = [f'{names[0]}1', f'{names[0]}2', f'{names[1]}1']
    folders = generated, tmp_path / 'other'
    files = [f / name / 'groundtruth.txt' for f in folders for name in names]
    boxes = {file.read_text() for file in files}
    assert len(boxes) == 6
    same = [contents(f / names[1]) for f in (generated, tmp_path / 'fewer')]
    assert same[0] == same[1]


@pytest.mark.parametrize('index', range(6))
def test_box_fits_the_pixels(index):
    rng = np.random.default_rng(index)
    scene = ScenePainter(rng, Flat(), (320, 240), 12).draw_scene()
    scene = without_effects(scene, [scene.target])
    for t in range(12):
        rows, cols = np.nonzero(scene.render(t)[..., 0] > 127)
        found = [cols.min(), rows.min(), cols.max() + 1, rows.max() + 1]
        bbox = np.clip(scene.target.bboxes[t], 0, (320, 240) * 2)
        assert np.abs(bbox - found).max() <= 1.0


SHARES = [
    (100, 80, 0.5),
    (100, 200, 1),
    (100, 100, 0),
    (0, 30, 0.25),
    (0, 99, 0.5),
]


@pytest.mark.parametrize('x, occluder_x, visible', SHARES)
def test_box_and_visible_share_by_hand(x, occluder_x, visible):
    look = Look(SQUARE, WHITE, 0.6)
    target, occluder = (
        Sprite(role, look, np.array([[[40.0, 0, center], [0, 40, 100]]]))
        for role, center in (('target', x), ('occluder', occluder_x))
    )
    np.testing.assert_allclose(target.bboxes, [[x - 20, 80, x + 20, 120]])
    share = scene_module.visible_share(target, [occluder], (320, 240))
    assert share == pytest.approx([visible], abs=0.01)


def test_layout(generated):
    args = tool.parse_args([str(generated), *SMALL])
    for split, num, frames in (('train', 3, 4), ('val', 1, 5)):
        names = [f'Synthetic_{split.title()}_{i + 1:06d}' for i in range(num)]
        listed = (generated / split / 'list.txt').read_text().split()
        assert listed == names
        scene = tool.draw_sequence(args, split, 0)
        folder = generated / split / names[0]
        numbers = [f'{i + 1:08d}' for i in range(frames)]
        assert sorted(p.stem for p in folder.glob('*.jpg')) == numbers
        image = cv2.imread(str(folder / '00000003.jpg'))[..., ::-1]
        assert np.abs(image - scene.render(2).astype(int)).mean() < 12
        xywh = read_bboxes_xywh(folder / 'groundtruth.txt')
        bboxes = np.clip(scene.target.bboxes, 0, (96, 72, 96, 72))
        np.testing.assert_allclose(xywh, xyxy_to_xywh(bboxes), atol=1e-4)
        assert (xywh[:, 2:] > 0).all()
        for label, high in (('absence', 1), ('cover', 8), ('cut_by_image', 1)):
            values = (folder / f'{label}.label').read_text().split()
            assert len(values) == frames
            assert set(values) <= {str(i) for i in range(high + 1)}
        info = (folder / 'meta_info.ini').read_text()
        assert info.startswith('[METAINFO]\n')
        assert 'resolution: (96, 72)\n' in info
        assert f'own_texture_distractors: {scene.count("twin")}\n' in info


def test_the_data_stay_hard(scenes):
    aucs, steps = [], []
    for scene in scenes:
        bboxes = scene.target.bboxes
        sides = bboxes[1:, 2:] - bboxes[1:, :2]
        centers = (bboxes[:, :2] + bboxes[:, 2:]) / 2
        moves = np.linalg.norm(np.diff(centers, axis=0), axis=1)
        steps.append(moves / np.sqrt(sides.prod(axis=1)))
        bboxes = np.clip(bboxes, 0, (320, 240) * 2)
        ious = aligned_iou(bboxes, bboxes[0])
        aucs.append(np.mean(ious[:, None] > IOUS))
        assert scene.visible.min() > 0.15
        assert scene.count('distractor', 'twin') >= 1
        front = scene.sprites[scene.sprites.index(scene.target) + 1 :]
        hidden = scene_module.hidden(scene.target, front, scene.size)
        assert hidden <= scene_module.HIDDEN[1]
    steps = np.concatenate(steps)
    assert steps.max() <= 0.4 and 0.05 < np.median(steps) < 0.25
    assert np.mean(aucs) <= 0.25  # of the first box kept still
    for role, share in (('twin', 0.5), ('occluder', 0.25)):
        assert np.mean([scene.count(role) > 0 for scene in scenes]) >= share


# Resuming


def test_a_second_run_reuses_or_continues(generated, tmp_path, capsys):
    folder = tmp_path / 'out'
    shutil.copytree(generated, folder)
    before = {p: p.stat().st_mtime_ns for p in folder.rglob('*.jpg')}
    tool.main([str(folder), *SMALL])
    assert 'reusing' in capsys.readouterr().out
    assert before == {p: p.stat().st_mtime_ns for p in before}
    message = r'(?s)other options \(seed: recorded 0, now 7\).*'
    message += 'Choose another folder or add --overwrite'
    with pytest.raises(FileExistsError, match=message):
        tool.main([str(folder), *SMALL, '--seed', '7'])
    lost = folder / 'train' / 'Synthetic_Train_000002'
    lost.rename(lost.with_name(f'.{lost.name}.4711'))
    (folder / 'val' / 'list.txt').unlink()
    tool.main([str(folder), *SMALL])
    assert '3 of 4 sequences exist, generating 1' in capsys.readouterr().out
    assert contents(folder) == contents(generated)


def test_overwrite_replaces_only_own_files(generated, tmp_path):
    folder = tmp_path / 'out'
    shutil.copytree(generated, folder)
    (folder / 'train' / 'notes.txt').write_text('mine')
    options = [*SMALL, '--num-train', '1', '--seed', '7', '--overwrite']
    tool.main([str(folder), *options])
    names = ['Synthetic_Train_000001', 'list.txt', 'notes.txt']
    assert sorted(p.name for p in (folder / 'train').iterdir()) == names


def test_foreign_folders_and_broken_settings_are_refused(tmp_path):
    (tmp_path / 'train').mkdir()
    with pytest.raises(FileExistsError, match=r'has no generated\.json'):
        tool.main([str(tmp_path), *SMALL, '--overwrite'])
    assert (tmp_path / 'train').is_dir()
    (tmp_path / 'generated.json').write_text('{')
    with pytest.raises(ValueError, match=r'generated\.json is not JSON'):
        tool.main([str(tmp_path), *SMALL])


WRONG_ARGUMENTS = [
    (['--coco', 'a.json'], 'add --photos DIR'),
    (['--size', '32', '240'], '--size: found 32, expected >= 64'),
    (['--val-frames', '1'], '--val-frames: found 1, expected >= 2'),
    (['--num-train', '1.5'], "'1.5', expected a whole number >= 0"),
    (['--num-train', '-1'], '--num-train: found -1, expected >= 0'),
]


@pytest.mark.parametrize('options, message', WRONG_ARGUMENTS)
def test_wrong_arguments(options, message, capsys):
    with pytest.raises(SystemExit):
        tool.parse_args(['out', *options])
    assert message in capsys.readouterr().err


# Photos


@pytest.fixture(scope='module')
def photos(tmp_path_factory):
    """Eight photos with a bright textured ellipse each, and their COCO."""
    folder = tmp_path_factory.mktemp('photos')
    images, annotations = [], []
    for i in range(8):
        rng = np.random.default_rng(i)
        image = Textures().texture(rng, 90, 120) // 2
        mask = ellipse(i)
        noise = rng.integers(120, 256, image.shape, dtype=np.uint8)
        image[mask > 0] = noise[mask > 0]
        cv2.imwrite(str(folder / f'{i}.png'), image)
        images.append(dict(id=i, file_name=f'{i}.png', width=120, height=90))
        polygon = [outlines(mask)[0].ravel().tolist()]
        about = dict(id=i, image_id=i, category_id=1, area=int(mask.sum()))
        about['bbox'] = [30 - i, 25, 61 + 2 * i, 41]
        about['segmentation'] = rle(mask) if i % 2 else polygon
        annotations.append(about)
    coco = dict(images=images, annotations=annotations, categories=[])
    (folder / 'ann.json').write_text(json.dumps(coco))
    return folder


def ellipse(i):
    mask = np.zeros((90, 120), np.uint8)
    return cv2.ellipse(mask, (60, 45), (30 + i, 20), 0, 0, 360, 1, -1)


def rle(mask):
    """Uncompressed COCO RLE of a mask."""
    flat = np.concatenate([[0], mask.T.ravel(), [0]])
    edges = np.flatnonzero(np.diff(flat))
    ends = np.concatenate([[0], edges, [mask.size]])
    return dict(size=list(mask.shape), counts=np.diff(ends).tolist())


def outlines(mask):
    """Polygons (P, 2) around the pieces of a mask."""
    return read_outline(rle(mask))


def edited(photos, tmp_path, change):
    """Path of a copy of the COCO file after `change(content)`."""
    content = json.loads((photos / 'ann.json').read_text())
    change(content)
    path = tmp_path / 'edited.json'
    path.write_text(json.dumps(content))
    return path


def test_photo_and_coco_modes_write_sequences(photos, tmp_path):
    written = []
    for mode in ((), ('--coco', str(photos / 'ann.json'))):
        out = tmp_path / str(len(mode))
        tool.main([str(out), *SMALL, '--photos', str(photos), *mode])
        written.append(contents(out / 'train'))
        assert len(list(out.rglob('*.jpg'))) == 17
    assert written[0] != written[1]


def test_splits_share_no_photo(photos):
    for coco in (None, photos / 'ann.json'):
        given = photos, coco
        train, val = (PhotoTextures(*given, x, 0) for x in (False, True))
        assert len(train.paths) == 7 and len(val.paths) == 1
        assert not set(train.paths) & set(val.paths)
    names = list(range(40))
    assert len(hold_out(names, True, 0)) == 6
    assert hold_out(names, True, 0) != hold_out(names, True, 1)


def test_thin_tails_are_cut_off_and_loose_pieces_refused():
    mask = np.zeros((90, 120), np.uint8)
    mask[20:60, 20:70] = 1
    mask[38:42, 70:115] = 1
    outline = photos_module.trace_segment(outlines(mask))
    found = np.concatenate([outline.min(axis=0), outline.max(axis=0)])
    np.testing.assert_allclose(found, [20, 20, 70, 60], atol=1)
    mask[:, 40:50] = 0
    mask[70:88] = mask[20:38]
    assert photos_module.trace_segment(outlines(mask)) is None


def test_targets_are_cut_from_photos(photos):
    source = PhotoTextures(photos, photos / 'ann.json', False, 0)
    rng = np.random.default_rng(0)
    first = source.draw_look(rng)
    for look in (first, source.draw_twin(rng, first)):
        side = len(look.texture)
        points = (look.outline / look.extent + 1) * side / 2
        mask = (scene_module.fill(points, side, side) > 0).astype(np.uint8)
        inner = cv2.erode(mask, np.ones((5, 5), np.uint8)) > 0
        outer = cv2.dilate(mask, np.ones((7, 7), np.uint8)) == 0
        # the bright ellipse, and only it
        assert look.texture[inner].min() > 110
        assert look.texture[outer].max() < 140


def test_wrong_photos_are_named(tmp_path):
    options = [str(tmp_path / 'o'), *SMALL, '--photos', str(tmp_path)]
    message = r'holds 0 photos.*Give a folder with more'
    with pytest.raises(FileNotFoundError, match=message):
        tool.main(options)
    for name in 'ab':
        (tmp_path / f'{name}.jpg').write_text('no image')
    message = r'[ab]\.jpg cannot be read as an image\. Remove'
    with pytest.raises(ValueError, match=message):
        tool.main(options)


REFUSED = [
    (lambda c: c.pop('images'), ValueError, r'no COCO.*KeyError'),
    (
        lambda c: c['images'][3].update(file_name='gone.png'),
        FileNotFoundError,
        r'gone\.png, named in .*, does not exist\. Let',
    ),
    (
        lambda c: [a.update(bbox=[0, 0, 99, 9]) for a in c['annotations']],
        ValueError,
        '0 photos have compact segments',
    ),
]


@pytest.mark.parametrize('change, error, message', REFUSED)
def test_wrong_coco_files_are_named(photos, tmp_path, change, error, message):
    path = str(edited(photos, tmp_path, change))
    out = tmp_path / 'o'
    with pytest.raises(error, match=message):
        tool.main([str(out), *SMALL, '--photos', str(photos), '--coco', path])
    assert not out.exists()


UNUSABLE = [
    ((90, 120, 3), 'none of the 2 segments .* usable'),
    ((60, 100, 3), 'has 100 x 60 px, but a segment'),
]


@pytest.mark.parametrize('shape, message', UNUSABLE)
def test_unusable_segments_are_named(photos, tmp_path, shape, message):
    path = edited(
        photos, tmp_path, lambda c: c.update(annotations=c['annotations'][:3])
    )
    photos_module.read_photo.cache_clear()
    for i in range(3):
        image = np.full(shape, 90, np.uint8)  # flat
        cv2.imwrite(str(tmp_path / f'{i}.png'), image)
    source = PhotoTextures(tmp_path, path, False, 0)
    with pytest.raises(ValueError, match=message):
        source.draw_look(np.random.default_rng(0))
