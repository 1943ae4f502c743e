import json
import sys
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch

from mmsimtrack.datasets import PairDataset, VideoSequence
from mmsimtrack.structures import CropWindow, xywh_to_xyxy

ROOT = Path(__file__).parents[2]
sys.path.insert(0, str(ROOT / 'tools/analysis_tools'))
import benchmark_dataloader  # noqa: E402
import benchmark_frames  # noqa: E402
import pipeline_timing  # noqa: E402
from official_pipeline import OfficialPipeline, is_valid  # noqa: E402

PIPELINES = ('official', 'our')


@pytest.fixture(scope='module')
def frames(tmp_path_factory):
    """A data set of four frames, and their mean size."""
    root = tmp_path_factory.mktemp('frames')
    return root, benchmark_frames.make_frames(root, 4, None)


@pytest.fixture
def pairs(frames):
    return PairDataset(
        datasets=[
            dict(type='Got10kDataset', data_root=str(frames[0]), split='train')
        ],
        ratios=[1],
        exemplar=dict(size=112, factor=2),
        search=dict(size=224, factor=4),
        jitter=dict(center=3.5, scale=0.5),
        sampling=dict(max_gap=200, min_frames=2, min_visible=2),
        transforms=[dict(type='PackPair')],
    )


class Draws:
    """A generator whose next numbers in [0, 1) are known."""

    def __init__(self, *values):
        self.values = list(values)

    def random(self):
        return self.values.pop(0)

    def uniform(self, low, high):
        return low + (high - low) * self.values.pop(0)


def test_frames(frames):
    root, size = frames
    paths = sorted(root.glob('train/*/*.jpg'))
    assert len(paths) == 4
    assert sum(path.stat().st_size for path in paths) == 4 * size
    # photographs of this size and quality have about as much
    assert 150e3 < size < 450e3
    for path in paths:
        image = cv2.imread(str(path))
        assert image.shape == (720, 1280, 3)
        assert 30 < image.std() < 70


def test_targets_are_log_uniform_and_inside():
    rng = np.random.default_rng(0)
    bboxes_xywh = np.stack(
        [benchmark_frames.draw_bboxes_xywh(rng)[0] for _ in range(2000)]
    )
    sides = np.sqrt(bboxes_xywh[:, 2:].prod(1))
    np.testing.assert_allclose(
        np.quantile(sides, (0, 0.5, 1)), (20, 20 * 20**0.5, 400), rtol=0.1
    )
    bboxes = xywh_to_xyxy(bboxes_xywh)
    assert (bboxes[:, :2] >= 0).all()
    assert (bboxes[:, 2:] <= (1280, 720)).all()


def test_collage(tmp_path):
    for i, level in enumerate((10, 90)):
        image = np.full((40, 60, 3), level, np.uint8)
        cv2.imwrite(str(tmp_path / f'{i}.jpg'), image)
    rng = np.random.default_rng(0)
    image = benchmark_frames.collage(rng, sorted(tmp_path.glob('*.jpg')))
    assert image.shape == (720, 1280, 3)
    quarters = image.reshape(2, 360, 2, 640, 3).astype(int)
    assert np.ptp(quarters, axis=(1, 3)).max() == 0
    assert set(quarters.flat) <= {10, 90}


def test_folder_without_photographs(tmp_path):
    with pytest.raises(FileNotFoundError, match=r'--photos: no \*\.jpg in'):
        benchmark_frames.make_frames(tmp_path / 'data', 2, tmp_path)


@pytest.mark.parametrize('view', [(2, 112), (4, 224)])
def test_official_crop(pairs, view):
    """Beside ours: it loses a line at the right and lower borders."""
    rng = np.random.default_rng(0)
    image = rng.integers(1, 256, (120, 160, 3), np.uint8)
    factor, size = view
    official = OfficialPipeline(pairs)
    for x, y, padded in ((70, 50, False), (3, 4, True), (140, 95, True)):
        bbox_xywh = np.array([x, y, 12.0, 9])
        around_xywh = bbox_xywh + (3, -2, 1, 1)
        window = CropWindow.around(xywh_to_xyxy(around_xywh), factor, size)
        crop, found, mask = official.crop(
            image, bbox_xywh, around_xywh, factor, size
        )
        if x == 140:
            image[-1] = image[:, -1] = 0
        np.testing.assert_array_equal(crop, window.cut(image))
        assert mask.shape == (size, size)
        assert mask.any() == padded
        assert mask[crop.any(-1)].mean() < 0.1
        # the released code ignores the rounding of the corner
        expected = window.to_crop(xywh_to_xyxy(bbox_xywh))
        np.testing.assert_allclose(
            xywh_to_xyxy(found.numpy()), expected, atol=1.1 / window.side
        )


def test_crop_outside_of_the_frame_is_invalid(pairs):
    image = np.full((120, 160, 3), 255, np.uint8)
    official = OfficialPipeline(pairs)
    for x in (-300, 500):
        bbox_xywh = np.array([x, 50, 10.0, 10])
        crop, _, mask = official.crop(image, bbox_xywh, bbox_xywh, 2, 112)
        assert not crop.any() and mask.all()
        assert not is_valid(mask)
    mask = np.ones((112, 112), bool)
    mask[0, 0] = False  # looked at by the reduction to 7 x 7
    assert is_valid(mask)
    mask[0, :2] = True, False
    assert not is_valid(mask)


def test_official_augmentation(pairs):
    rng = np.random.default_rng(0)
    official = OfficialPipeline(pairs)
    image = rng.integers(0, 256, (20, 30, 3), np.uint8)
    bboxes_xywh = np.array([[4.0, 5, 6, 7]])
    (same,), boxes = official.augment_frames(
        [image], bboxes_xywh, Draws(0.05, 0.5)
    )
    assert same is image and boxes is bboxes_xywh
    (found,), boxes = official.augment_frames(
        [image], bboxes_xywh, Draws(0.04, 0.4)
    )
    gray = cv2.cvtColor(image, cv2.COLOR_RGB2GRAY)[:, ::-1]
    np.testing.assert_array_equal(found, gray[..., None].repeat(3, axis=2))
    # of columns 0 to 29
    assert boxes.tolist() == [[29 - 10, 5, 6, 7]]
    mask = np.zeros((20, 30), bool)
    mask[:, 0] = True
    crop, bbox_xywh, mask = official.augment_crop(
        image, torch.tensor([0.1, 0.2, 0.3, 0.4]), mask, Draws(0.75, 0.4)
    )
    expected = np.clip(image[:, ::-1] / 255 * 1.1, 0, 1)
    expected = (expected - (0.485, 0.456, 0.406)) / (0.229, 0.224, 0.225)
    np.testing.assert_allclose(
        crop.numpy().transpose(1, 2, 0), expected, atol=1e-5
    )
    torch.testing.assert_close(bbox_xywh, torch.tensor([0.6, 0.2, 0.3, 0.4]))
    assert mask[:, -1].all() and mask.sum() == 20


def test_both_make_the_same_pairs(pairs):
    """The boxes of a key are as large in the crops of both pipelines."""
    official = OfficialPipeline(pairs)
    for k in range(8):
        found, ours = official[0, k], pairs[0, k]
        for bbox_xywh, bbox in (
            (found['exemplar_bbox'], ours['inputs']['exemplar_bbox']),
            (
                found['search_bbox'],
                ours['data_samples'].gt_instances.bboxes[0],
            ),
        ):
            torch.testing.assert_close(
                bbox_xywh[2:], bbox[2:] - bbox[:2], atol=1e-5, rtol=0
            )
        assert found['search'].dtype == torch.float32
        assert found['search'].shape == (3, 224, 224)
        assert found['exemplar_mask'].shape == (112, 112)


def test_stages_add_up(pairs):
    batches = [[(0, 0), (0, 1)], [(0, 2)]]
    read = VideoSequence.read_frame
    for name in PIPELINES:
        pipeline = getattr(pipeline_timing, f'{name}_stages')(pairs)
        found = pipeline_timing.time_stages(pipeline, batches)
        stages = [found[stage] for stage in (*pipeline_timing.STAGES, 'other')]
        assert sum(stages) == pytest.approx(found['total'])
        assert found['read + decode'] > 1  # ms
        assert found['crop'] > 0 and found['collate'] > 0
        assert (found['augment frames'] > 0) == (name == 'official')
    assert VideoSequence.read_frame is read


def test_wait_for_workers():
    """Batches of 40 ms, of one worker, for steps of 10 ms."""
    args = ([[(0, k)] for k in range(8)], 1, 0.01)
    pipeline = pipeline_timing.Pipeline(Slow(), list, [])
    found = pipeline_timing.time_workers(pipeline, *args)
    # 30 ms of 40
    assert 0.4 < found['wait'] < 0.85
    assert 5 < found['pairs_per_s'] < 26
    # sleeping costs nothing, but for the start of the worker
    assert found['cpu_ms'] < 200


class Slow(torch.utils.data.Dataset):
    def __getitem__(self, key):
        pipeline_timing.time.sleep(0.04)
        return key


def test_pipelines_take_turns():
    turns = []
    found = pipeline_timing.alternate(
        {'a': 1, 'b': 2}, 3, lambda p: turns.append(p) or {'x': len(turns)}
    )
    assert turns == [1, 2, 1, 2, 1, 2]
    assert found['b'] == [{'x': 2}, {'x': 4}, {'x': 6}]
    assert pipeline_timing.medians(found['b']) == {'x': 4}


@pytest.mark.parametrize('reduced', [False, True])
def test_tool(tmp_path, capsys, reduced):
    out = tmp_path / 'numbers/out.json'
    options = '--images 3 --pairs 6 --repeats 2 --batch-size 2 --step-time 0'
    options = [*options.split(), '--out', str(out), '--num-workers']
    options += ['0', '--reduced-decoding'] if reduced else ['1']
    benchmark_dataloader.main(options)
    printed = capsys.readouterr().out
    result = json.loads(out.read_text())
    names = ['official', 'ours', *['ours, reduced'] * reduced]
    assert [*result['ms_per_pair']] == names
    assert f'| CPU time per pair, ms | {" | ".join(names)} |' in printed
    totals = [result['ms_per_pair'][name]['total'] for name in names]
    cells = ' | '.join(f'{total:.2f}' for total in totals)
    assert f'| total | {cells} |' in printed
    speeds = ' | '.join(f'{1000 / total:.0f}' for total in totals)
    assert f'| pairs/s per core | {speeds} |' in printed
    speed, low, high = result['speed']['ours']
    assert 0.3 < low <= speed <= high < 10
    cells = f'1.00 (1.00 to 1.00) | {speed:.2f} ({low:.2f} to {high:.2f})'
    assert f'| speed, official = 1 | {cells}' in printed
    assert result['options']['pairs'] == '6'
    assert [*result['workers']] == ([] if reduced else ['1'])
    for name, row in result['workers'].get('1', {}).items():
        assert 0 <= row['wait'] <= 1
        assert f'| 1 | {name} | {row["pairs_per_s"]:.0f} |' in printed


def test_config_of_the_tool(frames):
    """Sizes, jitter and transforms are the config's."""
    config = ROOT / 'configs/simtrack/sim_l14_lasot.py'
    pairs = benchmark_dataloader.load_pairs(config, frames[0], reduced=True)
    assert pairs.exemplar == dict(size=84, factor=1.5)
    assert pairs.jitter['scale'] == 0.5
    assert pairs.reading.reduced
    assert len(pairs.transforms) == 5
    assert len(pairs) == 2
