"""Tests of tools/dataset_converters/generate_sequences.py."""

import json
import shutil
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import pytest

CONVERTERS = Path(__file__).parents[2] / 'tools' / 'dataset_converters'
sys.path.insert(0, str(CONVERTERS))

import generate_sequences as tool  # noqa: E402
from synthetic import effects as effects_module  # noqa: E402
from synthetic import occluders, outlines, render  # noqa: E402
from synthetic.photos import PhotoTextures, hold_out  # noqa: E402
from synthetic.scene import Look, Sprite  # noqa: E402
from synthetic.segments import cut_segment, decode  # noqa: E402
from synthetic.textures import ProceduralTextures  # noqa: E402

SMALL = (
    '--num-train',
    '3',
    '--train-frames',
    '4',
    '--num-val',
    '1',
    '--val-frames',
    '5',
    '--size',
    '96',
    '72',
    '--jobs',
    '1',
)
UNIT_SQUARE = outlines.unit_outline(
    [np.array([[0, 0], [1, 0], [1, 1], [0, 1]], float)]
)


def contents(folder):
    """Bytes of every file below a folder, by relative path."""
    return {
        path.relative_to(folder).as_posix(): path.read_bytes()
        for path in sorted(folder.rglob('*'))
        if path.is_file()
    }


def still_box_auc(bboxes):
    """Success AUC of the first box (T, 4) xyxy kept still."""
    low = np.maximum(bboxes[:, :2], bboxes[0, :2])
    high = np.minimum(bboxes[:, 2:], bboxes[0, 2:])
    inter = np.clip(high - low, 0, None).prod(axis=1)
    areas = (bboxes[:, 2:] - bboxes[:, :2]).prod(axis=1)
    ious = inter / (areas + areas[0] - inter)
    return np.mean([np.mean(ious > k * 0.05) for k in range(21)])


def val_scenes(num):
    """Scenes of the val split with the default options, not rendered."""
    source = ProceduralTextures()
    return [
        tool.draw_sequence(0, 'val', i, source, (320, 240), 60)
        for i in range(num)
    ]


@pytest.fixture(scope='module')
def scenes():
    return val_scenes(60)


@pytest.fixture(scope='module')
def generated(tmp_path_factory):
    folder = tmp_path_factory.mktemp('generated') / 'out'
    tool.main([str(folder), *SMALL])
    return folder


class FlatTextures:
    """White objects on a black background."""

    def texture(self, rng, height, width, grain):
        return np.full((height, width, 3), 255, np.uint8)

    def background(self, rng, height, width):
        return np.zeros((height, width, 3), np.uint8)

    def draw_segment(self, rng):
        return None


# Purity


def test_same_seed_same_bytes_for_any_number_of_jobs(generated, tmp_path):
    again = tmp_path / 'again'
    subprocess.run(
        [
            sys.executable,
            CONVERTERS / 'generate_sequences.py',
            again,
            *SMALL[:-1],
            '2',
        ],
        check=True,
        capture_output=True,
    )
    assert contents(again) == contents(generated)


def test_other_seeds_splits_and_indices_differ(generated, tmp_path):
    other = tmp_path / 'other'
    tool.main([str(other), *SMALL, '--seed', '1'])
    names = [
        'train/Synthetic_Train_000001',
        'train/Synthetic_Train_000002',
        'val/Synthetic_Val_000001',
    ]
    boxes = [
        (folder / name / 'groundtruth.txt').read_text()
        for folder in (generated, other)
        for name in names
    ]
    assert len(set(boxes)) == 6


def test_a_sequence_does_not_depend_on_the_number_of_others(
    generated, tmp_path
):
    options = list(SMALL)
    options[1] = '2'
    tool.main([str(tmp_path / 'fewer'), *options])
    name = 'train/Synthetic_Train_000002'
    assert contents(tmp_path / 'fewer' / name) == contents(generated / name)


# Boxes and labels


@pytest.mark.parametrize('index', range(6))
def test_box_fits_the_pixels(index):
    source = FlatTextures()
    scene = tool.draw_sequence(3, 'train', index, source, (320, 240), 12)
    target = scene.sprites[scene.target]
    scene = replace(
        scene,
        sprites=(target,),
        target=0,
        effects=effects_module.no_effects(12),
    )
    for frame in render.render_scene(scene, source):
        rows, cols = np.nonzero(frame.image[..., 0] > 127)
        found = [cols.min(), rows.min(), cols.max() + 1, rows.max() + 1]
        assert np.abs(frame.bbox - found).max() <= 1.0


def test_box_of_a_square_is_exact():
    matrix = np.array([[40.0, 0, 100.5], [0, 20, 60]])
    np.testing.assert_allclose(UNIT_SQUARE.bbox(matrix), [80.5, 50, 120.5, 70])
    polygons = UNIT_SQUARE.moved(np.array([[40.0, 0, 30], [0, 20, 20]]))
    mask = outlines.fill(polygons, 60, 40, 4)
    rows, cols = np.nonzero(mask > 127)
    assert (cols.min(), cols.max() + 1) == (10, 50)
    assert (rows.min(), rows.max() + 1) == (10, 30)


@pytest.mark.parametrize(
    'x, occluder_x, visible, cut',
    [
        (100, 80, 0.5, False),
        (100, 200, 1, False),
        (100, 100, 0, False),
        (0, 30, 0.25, True),
        (0, 200, 0.5, True),
    ],
)
def test_occluded_box_is_amodal_and_visible_share_exact(
    x, occluder_x, visible, cut
):
    source = FlatTextures()
    scene = tool.draw_sequence(0, 'train', 0, source, (320, 240), 2)
    sprites = []
    for role, center in (('target', x), ('occluder', occluder_x)):
        matrix = np.array([[40.0, 0, center], [0, 40, 100]])
        sprites.append(
            Sprite(role, UNIT_SQUARE, Look(0), np.stack([matrix, matrix]))
        )
    scene = replace(
        scene,
        sprites=tuple(sprites),
        target=0,
        effects=effects_module.no_effects(2),
    )
    frame = next(render.render_scene(scene, source))
    assert frame.visible == pytest.approx(visible, abs=0.01)
    assert frame.cut is cut
    np.testing.assert_allclose(frame.bbox, [max(0, x - 20), 80, x + 20, 120])


def test_layout(generated):
    names = (generated / 'train' / 'list.txt').read_text().split()
    assert names == [f'Synthetic_Train_{i:06d}' for i in (1, 2, 3)]
    assert (generated / 'val' / 'list.txt').read_text() == (
        'Synthetic_Val_000001\n'
    )
    for split, name, num in (
        ('train', names[0], 4),
        ('val', 'Synthetic_Val_000001', 5),
    ):
        folder = generated / split / name
        assert [path.name for path in sorted(folder.glob('*.jpg'))] == [
            f'{i:08d}.jpg' for i in range(1, num + 1)
        ]
        assert cv2.imread(str(folder / '00000001.jpg')).shape == (72, 96, 3)
        rows = (folder / 'groundtruth.txt').read_text().splitlines()
        assert len(rows) == num
        assert all(
            len(value.split('.')[1]) == 4
            for row in rows
            for value in row.split(',')
        )
        xywh = np.loadtxt(folder / 'groundtruth.txt', delimiter=',')
        assert (xywh[:, 2:] > 0).all() and (xywh[:, :2] >= 0).all()
        assert (xywh[:, :2] + xywh[:, 2:] <= (96.001, 72.001)).all()
        for label, high in (('absence', 1), ('cover', 8), ('cut_by_image', 1)):
            values = (folder / f'{label}.label').read_text().split()
            assert len(values) == num
            assert set(values) <= {str(i) for i in range(high + 1)}


def test_meta_info(generated):
    folder = generated / 'train' / 'Synthetic_Train_000001'
    lines = (folder / 'meta_info.ini').read_text().splitlines()
    assert lines[0] == '[METAINFO]'
    values = dict(line.split(': ') for line in lines[1:])
    scene = tool.draw_sequence(
        0, 'train', 0, ProceduralTextures(), (96, 72), 4
    )
    assert values['resolution'] == '(96, 72)'
    assert values['seed'] == '0'
    assert int(values['distractors']) == scene.count('distractor')
    assert int(values['occluders']) == scene.count('occluder')
    assert int(values['own_texture_distractors']) == (
        scene.own_texture_distractors
    )


# The data stay hard


def test_still_box_fails(scenes):
    aucs = []
    for scene in scenes:
        bboxes = scene.sprites[scene.target].bboxes
        aucs.append(still_box_auc(np.clip(bboxes, 0, (320, 240) * 2)))
    assert np.mean(aucs[:24]) <= 0.25
    assert np.mean(aucs) <= 0.12


@pytest.mark.parametrize('num', [24, 60])  # 24 is the set of the demo
def test_distractors_and_occluders_are_frequent(scenes, num):
    scenes = scenes[:num]
    own = np.mean([scene.own_texture_distractors > 0 for scene in scenes])
    occluded = np.mean([scene.count('occluder') > 0 for scene in scenes])
    assert all(scene.count('distractor') >= 1 for scene in scenes)
    assert own >= 0.5
    assert occluded >= 0.25


def test_own_texture_distractors_look_like_the_target():
    source = ProceduralTextures()
    scene = next(s for s in val_scenes(20) if s.own_texture_distractors)
    target = scene.sprites[scene.target]
    twin = next(
        s
        for s in scene.sprites
        if s.role == 'distractor' and s.look == target.look
    )
    tiles = {}
    pixels = [
        render.make_canvas(s, source, tiles).pixels[..., :3]
        for s in (target, twin)
    ]
    assert len(tiles) == 1
    means = [p.reshape(-1, 3).mean(axis=0) for p in pixels]
    np.testing.assert_allclose(*means, atol=3)
    assert twin.outline is not target.outline


def test_motion_is_smooth_and_stays_in_view(scenes):
    steps, shares = [], []
    for scene in scenes:
        bboxes = scene.sprites[scene.target].bboxes
        sides = bboxes[:, 2:] - bboxes[:, :2]
        centers = (bboxes[:, :2] + bboxes[:, 2:]) / 2
        moves = np.linalg.norm(np.diff(centers, axis=0), axis=1)
        steps.append(moves / np.sqrt(sides[1:].prod(axis=1)))
        clipped = np.clip(bboxes, 0, (320, 240) * 2)
        inside = (clipped[:, 2:] - clipped[:, :2]).prod(axis=1)
        shares.append(inside / sides.prod(axis=1))
    steps = np.concatenate(steps)
    assert steps.max() <= 0.4
    assert 0.05 < np.median(steps) < 0.25
    assert np.concatenate(shares).min() > 0.4


def test_occluders_leave_a_third_of_the_target(scenes):
    for scene in scenes:
        front = scene.sprites[scene.target + 1 :]
        if front:
            cover = occluders.largest_cover(
                scene.sprites[scene.target], list(front), scene.size
            )
            assert cover <= occluders.COVERED[1]


def test_no_effects_change_nothing():
    image = np.random.default_rng(0).integers(
        0, 256, (20, 30, 3), dtype=np.uint8
    )
    effects = effects_module.no_effects(1)
    np.testing.assert_array_equal(
        effects_module.apply_effects(image, effects, 0, None), image
    )


# Resuming


def test_second_run_reuses(generated, capsys):
    before = {
        path: path.stat().st_mtime_ns for path in generated.rglob('*.jpg')
    }
    tool.main([str(generated), *SMALL])
    assert 'reusing' in capsys.readouterr().out
    assert before == {
        path: path.stat().st_mtime_ns for path in generated.rglob('*.jpg')
    }


def test_missing_sequences_are_added(generated, tmp_path, capsys):
    folder = tmp_path / 'out'
    shutil.copytree(generated, folder)
    shutil.rmtree(folder / 'train' / 'Synthetic_Train_000002')
    (folder / 'train' / '.Synthetic_Train_000002.partial').mkdir()
    (folder / 'val' / 'list.txt').unlink()
    tool.main([str(folder), *SMALL])
    assert '3 of 4 sequences exist, generating 1' in capsys.readouterr().out
    assert contents(folder) == contents(generated)


def test_other_options_are_refused(generated):
    with pytest.raises(
        FileExistsError,
        match=r'other options \(seed: recorded 0, now 7\).*'
        'Choose another folder or add --overwrite',
    ):
        tool.main([str(generated), *SMALL, '--seed', '7'])


def test_overwrite_replaces_only_own_files(generated, tmp_path):
    folder = tmp_path / 'out'
    shutil.copytree(generated, folder)
    (folder / 'train' / 'notes.txt').write_text('mine')
    options = [*SMALL, '--num-train', '1', '--seed', '7', '--overwrite']
    tool.main([str(folder), *options])
    assert sorted(path.name for path in (folder / 'train').iterdir()) == [
        'Synthetic_Train_000001',
        'list.txt',
        'notes.txt',
    ]


def test_foreign_folders_are_refused(tmp_path):
    (tmp_path / 'train').mkdir()
    with pytest.raises(FileExistsError, match=r'has no generated\.json'):
        tool.main([str(tmp_path), *SMALL, '--overwrite'])
    assert (tmp_path / 'train').is_dir()


def test_broken_settings_are_named(tmp_path):
    (tmp_path / 'generated.json').write_text('{')
    with pytest.raises(ValueError, match=r'generated\.json is not JSON'):
        tool.main([str(tmp_path), *SMALL])


@pytest.mark.parametrize(
    'options, message',
    [
        (['--coco', 'a.json'], 'add --photos DIR'),
        (['--size', '32', '240'], 'too small: use 64 64 or more'),
        (['--val-frames', '1'], 'must be 2 or more'),
        (['--num-train', '-1'], '-1 is negative'),
    ],
)
def test_wrong_arguments(options, message, capsys):
    with pytest.raises(SystemExit):
        tool.parse_args(['out', *options])
    assert message in capsys.readouterr().err


# Photos


@pytest.fixture(scope='module')
def photos(tmp_path_factory):
    """Eight photos with a bright textured ellipse each, and their COCO."""
    folder = tmp_path_factory.mktemp('photos')
    source = ProceduralTextures()
    images, annotations = [], []
    for i in range(8):
        rng = np.random.default_rng(i)
        image = source.texture(rng, 90, 120, 8) // 2
        mask = np.zeros((90, 120), np.uint8)
        cv2.ellipse(mask, (60, 45), (30 + i, 20), 0, 0, 360, 1, -1)
        noise = rng.integers(120, 256, image.shape, dtype=np.uint8)
        image[mask > 0] = noise[mask > 0]
        cv2.imwrite(str(folder / f'{i}.png'), image)
        images.append(dict(id=i, file_name=f'{i}.png', width=120, height=90))
        annotations.append(
            dict(
                id=i,
                image_id=i,
                category_id=1,
                area=int(mask.sum()),
                bbox=[30 - i, 25, 61 + 2 * i, 41],
                segmentation=rle(mask) if i % 2 else polygon(mask),
            )
        )
    coco = dict(images=images, annotations=annotations, categories=[])
    (folder / 'ann.json').write_text(json.dumps(coco))
    return folder


def rle(mask):
    """Uncompressed COCO RLE of a mask."""
    flat = np.concatenate([[0], mask.T.ravel(), [0]])
    edges = np.flatnonzero(np.diff(flat))
    ends = np.concatenate([[0], edges, [mask.size]])
    return dict(size=list(mask.shape), counts=np.diff(ends).tolist())


def polygon(mask):
    """COCO polygon of a mask."""
    contours, _ = cv2.findContours(
        mask, cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_NONE
    )
    return [(contours[0][:, 0] + 0.5).ravel().tolist()]


def edited(photos, tmp_path, change):
    """Path of a copy of the COCO file after `change(content)`."""
    content = json.loads((photos / 'ann.json').read_text())
    change(content)
    path = tmp_path / 'edited.json'
    path.write_text(json.dumps(content))
    return path


def test_photo_and_coco_modes_write_sequences(photos, tmp_path):
    written = []
    for mode, extra in (
        ('photos', ()),
        ('coco', ('--coco', str(photos / 'ann.json'))),
    ):
        out = tmp_path / mode
        tool.main([str(out), *SMALL, '--photos', str(photos), *extra])
        written.append(contents(out / 'train'))
        assert len(list(out.rglob('*.jpg'))) == 17
    assert written[0] != written[1]


def test_splits_share_no_photo(photos):
    for coco in (None, photos / 'ann.json'):
        train, val = (
            PhotoTextures(photos, coco, held_out, seed=0)
            for held_out in (False, True)
        )
        assert len(train.paths) == 7 and len(val.paths) == 1
        assert not set(train.paths) & set(val.paths)


def test_hold_out_follows_the_seed():
    names = list(range(40))
    assert len(hold_out(names, True, 0)) == 6
    assert hold_out(names, True, 0) != hold_out(names, True, 1)


@pytest.mark.parametrize('index', [0, 1])
def test_segment_outline_fits_the_mask(photos, index):
    content = json.loads((photos / 'ann.json').read_text())
    annotation = content['annotations'][index]
    segment, mask = cut_segment(photos / f'{index}.png', annotation, (90, 120))
    full = decode(annotation['segmentation'], 90, 120)
    rows, cols = np.nonzero(cv2.erode(full, np.ones((3, 3), np.uint8)))
    to_photo = np.array(
        [
            [segment.scale, 0, segment.center[0]],
            [0, segment.scale, segment.center[1]],
        ]
    )
    np.testing.assert_allclose(
        segment.outline.bbox(to_photo),
        [cols.min(), rows.min(), cols.max() + 1, rows.max() + 1],
        atol=0.8,
    )
    filled = outlines.fill(segment.outline.moved(to_photo), 120, 90) > 0
    assert (filled & (mask > 0)).sum() / (filled | (mask > 0)).sum() > 0.93


def test_thin_tails_are_cut_off():
    mask = np.zeros((90, 120), np.uint8)
    mask[20:60, 20:70] = 1
    mask[38:42, 70:115] = 1
    segment, _ = cut_segment(
        Path('x.png'), dict(segmentation=rle(mask)), (90, 120)
    )
    to_photo = np.array(
        [
            [segment.scale, 0, segment.center[0]],
            [0, segment.scale, segment.center[1]],
        ]
    )
    np.testing.assert_allclose(
        segment.outline.bbox(to_photo), [21, 21, 69, 59], atol=1
    )


def test_targets_are_cut_from_photos(photos):
    source = PhotoTextures(photos, photos / 'ann.json', False, 0)
    rng = np.random.default_rng(0)
    segment = source.draw_segment(rng)
    extent = segment.outline.half_extent + 0.05
    texture = source.cutout(segment, 80, extent)
    scale = 40 / extent
    mask = (
        outlines.fill(
            segment.outline.moved(np.array([[scale, 0, 40], [0, scale, 40]])),
            80,
            80,
        )
        > 0
    )
    inner = cv2.erode(mask.astype(np.uint8), np.ones((5, 5), np.uint8)) > 0
    outer = cv2.dilate(mask.astype(np.uint8), np.ones((7, 7), np.uint8)) == 0
    assert texture[inner].min() > 110  # the bright ellipse, and only it
    assert texture[outer].max() < 140


def test_too_few_photos_are_named(tmp_path):
    with pytest.raises(FileNotFoundError, match='is not a folder'):
        tool.main([str(tmp_path / 'o'), '--photos', str(tmp_path / 'none')])
    with pytest.raises(
        FileNotFoundError, match=r'holds 0 photos.*Give a folder with more'
    ):
        tool.main([str(tmp_path / 'o'), '--photos', str(tmp_path)])
    assert not (tmp_path / 'o').exists()


def test_unreadable_photo_is_named(tmp_path):
    for name in 'ab':
        (tmp_path / f'{name}.jpg').write_text('no image')
    with pytest.raises(
        ValueError, match=r'[ab]\.jpg cannot be read as an image\. Remove'
    ):
        tool.main([str(tmp_path / 'o'), *SMALL, '--photos', str(tmp_path)])


@pytest.mark.parametrize(
    'change, error, message',
    [
        (lambda c: c.pop('images'), ValueError, "lacks 'images'. Give a COCO"),
        (lambda c: c.pop('annotations'), ValueError, "lacks 'annotations'"),
        (
            lambda c: c['images'][3].update(file_name='gone.png'),
            FileNotFoundError,
            r'gone\.png, named in .*, does not exist\. Let',
        ),
        (
            lambda c: c['images'].pop(),
            ValueError,
            r'annotation 7 has image_id 7, which is not among "images"',
        ),
        (
            lambda c: c['annotations'][2].pop('bbox'),
            ValueError,
            r"annotation number 2 \(from 0\) lacks 'bbox'",
        ),
        (
            lambda c: [a.update(area=9) for a in c['annotations']],
            ValueError,
            '0 photos have usable segments',
        ),
    ],
)
def test_wrong_coco_files_are_named(photos, tmp_path, change, error, message):
    path = edited(photos, tmp_path, change)
    with pytest.raises(error, match=message):
        tool.main(
            [
                str(tmp_path / 'o'),
                *SMALL,
                '--photos',
                str(photos),
                '--coco',
                str(path),
            ]
        )
    assert not (tmp_path / 'o').exists()


def test_missing_and_broken_coco_files_are_named(photos, tmp_path):
    path = tmp_path / 'ann.json'
    with pytest.raises(FileNotFoundError, match=r'ann\.json does not exist'):
        PhotoTextures(photos, path, False, 0)
    path.write_text('{')
    with pytest.raises(ValueError, match=r'ann\.json is not JSON'):
        PhotoTextures(photos, path, False, 0)


def test_flat_segments_are_named(photos, tmp_path):
    for i in range(3):
        cv2.imwrite(
            str(tmp_path / f'{i}.png'), np.full((90, 120, 3), 90, np.uint8)
        )
    path = edited(
        photos, tmp_path, lambda c: c.update(annotations=c['annotations'][:3])
    )
    source = PhotoTextures(tmp_path, path, False, 0)
    with pytest.raises(ValueError, match='none of the 2 segments .* usable'):
        source.draw_segment(np.random.default_rng(0))


def test_masks_of_another_size_are_named(photos):
    content = json.loads((photos / 'ann.json').read_text())
    with pytest.raises(ValueError, match=r'has 100 x 90 px, but the mask'):
        cut_segment(Path('x.png'), content['annotations'][1], (90, 100))
