import warnings

import numpy as np
import pytest
import torch
from torch import nn

from mmsimtrack.models import SimTrack
from mmsimtrack.models.backbones.attention import Probe
from mmsimtrack.visualization import (
    AttentionRow,
    attention_row,
    draw_attention,
    overlay_attention,
)
from mmsimtrack.visualization.attention_visualizer import FOVEAL_COLOR
from mmsimtrack.visualization.sot_visualizer import GT_COLOR, PRED_COLOR


class Brightness(nn.Module):
    """A backbone whose attention is known: how red each 8 x 8 cell is."""

    out_channels = 3

    def __init__(self):
        super().__init__()
        self.pool = nn.AvgPool2d(8)

    def embed_exemplar(self, exemplar, exemplar_bbox):
        self.seen = exemplar_bbox
        return (exemplar,)

    def forward(self, memory, search):
        return self.pool(search)

    def attention_probes(self):
        def read(outs, size):
            (grid,) = outs
            assert grid.shape[-2:] == (size[0] // 8, size[1] // 8)
            return grid[:, 0] - grid[:, 1]

        return [Probe(self.pool, read), Probe(self.pool, read)]


def build(backbone):
    model = SimTrack(
        dict(
            type='JointViT',
            arch=dict(
                embed_dims=8,
                num_layers=1,
                num_heads=1,
                feedforward_channels=8,
            ),
            img_size=64,
            patch_size=16,
            tokenizer=dict(foveal_size=16),
        ),
        dict(
            type='CornerHead',
            channels=8,
            loss_iou=dict(type='mmdet.GIoULoss'),
            loss_bbox=dict(type='mmdet.L1Loss'),
        ),
        exemplar=dict(size=64, factor=2),
        search=dict(size=128, factor=4),
        clip_margin=10,
        data_preprocessor=dict(
            type='SOTDataPreprocessor', mean=[0, 0, 0], std=[255, 255, 255]
        ),
    )
    if backbone is not None:
        model.backbone = backbone
    return model


def make_row(**changes):
    row = dict(
        title='#7',
        exemplar=np.full((64, 64, 3), 80, np.uint8),
        target_bbox=np.array([0.25, 0.25, 0.75, 0.5]),
        foveal_bbox=np.array([0.375, 0.375, 0.625, 0.625]),
        search=np.full((128, 128, 3), 80, np.uint8),
        pred_bbox=np.array([0.5, 0.25, 0.75, 0.75]),
        maps={2: np.eye(4, dtype=np.float32)},
    )
    return AttentionRow(**row | changes)


def test_row_looks_where_the_tracker_looked():
    """A red target must be hot, at its place in the search crop."""
    frames = np.full((2, 100, 160, 3), 60, np.uint8)
    frames[0, 20:40, 30:50] = 255, 0, 0
    frames[1, 30:50, 50:70] = 255, 0, 0
    bboxes = np.array([[30, 20, 50, 40], [40, 30, 60, 50], [51, 30, 71, 50]])
    row = attention_row(build(Brightness()), frames, bboxes, [2], 'title')
    assert row.title == 'title' and row.foveal_bbox is None
    # the exemplar's window is 40 px, [20, 10, 60, 50]
    assert row.target_bbox.tolist() == [0.25, 0.25, 0.75, 0.75]
    assert row.exemplar.shape == (64, 64, 3)
    assert row.exemplar[32, 32].tolist() == [255, 0, 0]
    # the search window is 80 px, [10, 0, 90, 80]
    assert row.search.shape == (128, 128, 3)
    np.testing.assert_allclose(row.pred_bbox, [41 / 80, 3 / 8, 61 / 80, 5 / 8])
    # 16 x 16 cells of 5 px: the target is in rows 6-9 and columns 8-11
    expected = np.zeros((16, 16))
    expected[6:10, 8:12] = 1
    assert list(row.maps) == [2]
    np.testing.assert_array_equal(row.maps[2] > 0.5, expected == 1)


def test_network_gets_the_target_and_normalized_crops():
    model = build(Brightness())
    frame = np.full((40, 40, 3), 51, np.uint8)
    grid = attention_row(model, [frame] * 2, [[10, 10, 20, 20]] * 3).maps[1]
    assert grid.shape == (16, 16) and abs(grid).max() == 0  # gray
    assert model.backbone.seen.dtype == torch.float32
    assert model.backbone.seen.tolist() == [[0.25, 0.25, 0.75, 0.75]]


def test_foveal_window_is_the_tokenizers():
    frame = np.full((60, 60, 3), 51, np.uint8)
    row = attention_row(build(None), [frame] * 2, [[20, 20, 40, 40]] * 3)
    # 16 px in the middle of 64 px
    assert row.foveal_bbox.tolist() == [0.375, 0.375, 0.625, 0.625]
    assert row.maps[1].shape == (8, 8)


@pytest.mark.parametrize('cell', [(0, 0), (2, 5), (7, 3)])
def test_overlay_is_hottest_where_the_map_is(cell):
    grid = np.full((8, 8), 0.25, np.float32)
    grid[cell] = 0.75
    with warnings.catch_warnings():
        warnings.simplefilter('error')
        overlay = overlay_attention(grid, np.full((64, 64, 3), 100, np.uint8))
    assert overlay.shape == (64, 64, 3) and overlay.dtype == np.uint8
    y, x = (8 * i + 4 for i in cell)
    # half the image and half a color: dark red at the top, dark blue at
    # the bottom of mmengine's scale
    red, green, blue = overlay[y, x]
    assert red > 100 and green == blue == 50
    far = overlay[63 - y, 63 - x]
    assert far.tolist() == [50, 50, 114]
    # up-sampled bilinearly: between two cells lies the middle of the scale
    heat = overlay[..., 0].astype(int) - overlay[..., 2]
    assert heat[y, x] > 0 > heat[63 - y, 63 - x]


def test_map_of_one_value_is_cold():
    grid = np.full((4, 4), 0.01, np.float32)
    overlay = overlay_attention(grid, np.zeros((32, 32, 3), np.uint8))
    assert (overlay == [0, 0, 64]).all()


def test_picture_has_crops_boxes_and_maps_at_their_places():
    image = draw_attention([make_row()], side=64)
    assert image.shape == (18 + 64 + 18, 3 * 68, 3)
    assert image.dtype == np.uint8
    crop = image[18:82]
    assert crop[16, 16].tolist() == list(GT_COLOR)
    assert crop[31, 47].tolist() == list(GT_COLOR)
    assert crop[30, 24].tolist() == list(FOVEAL_COLOR)
    assert crop[39, 39].tolist() == list(FOVEAL_COLOR)
    assert crop[50, 50].tolist() == [80, 80, 80]
    search = crop[:, 68:]
    assert search[16, 32].tolist() == list(PRED_COLOR)
    assert search[47, 47].tolist() == list(PRED_COLOR)
    assert search[50, 50].tolist() == [80, 80, 80]
    overlay = crop[:, 136:].astype(int)
    assert overlay[2, 2, 0] > overlay[2, 2, 2]  # hot
    assert overlay[2, 60, 0] < overlay[2, 60, 2]  # cold
    # captions above each crop, white gaps between
    for left in (0, 68, 136):
        assert image[:18, left : left + 64].min() < 100
        assert (image[:82, left + 64 : left + 68] == 255).all()
    assert image[82:].min() < 150  # legend


def test_rows_of_several_models_are_stacked():
    """One has no foveal window and fewer layers."""
    maps = {layer: np.eye(4, dtype=np.float32) for layer in (1, 2, 3)}
    rows = [make_row(maps=maps), make_row(title='', foveal_bbox=None)]
    image = draw_attention(rows, side=64)
    assert image.shape == (2 * 82 + 18, 5 * 68, 3)
    assert (image[82:164, 3 * 68 :] == 255).all()
    assert image[82 + 18 + 30, 24].tolist() == [80, 80, 80]
    assert (image[82:100, :64] == 255).all()  # no title


def test_long_titles_shrink():
    """Nothing is cut off: the last columns stay white."""
    image = draw_attention([make_row(title='a' * 60)], side=128)
    assert image[:18, :128].min() < 200
    assert (image[:18, 127:134] == 255).all()


def test_caption_says_the_range(monkeypatch):
    texts = []
    monkeypatch.setattr(
        'cv2.putText', lambda image, text, *args: texts.append(text)
    )
    grid = np.array([[0.00123, 0.01], [0.02, 0.0456]], np.float32)
    draw_attention([make_row(maps={12: grid})], side=64)
    assert texts[:3] == ['#7', 'search', 'layer 12: 0.0012 to 0.046']
    assert 'minimum (blue) to its maximum (red)' in texts[3]
