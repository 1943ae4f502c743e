import warnings

import numpy as np
import pytest
import small_backbones as small
import torch
from small_models import load_demo
from torch import nn

from mmsimtrack.registry import MODELS
from mmsimtrack.visualization import attention as module
from mmsimtrack.visualization.attention import (
    FOVEAL_COLOR,
    attention_layers,
    attention_row,
    draw_attention,
    overlay_attention,
    record_attention,
)
from mmsimtrack.visualization.sot_visualizer import GT_COLOR, PRED_COLOR

BACKBONES = {
    'JointViT': lambda: small.vit(3),
    'JointViT, every 2nd': lambda: small.vit(3, interaction_every=2),
    'OneWayViT': lambda: small.one_way(num_layers=3),
    'Siamese ViT': lambda: small.siamese(small.SIAMESE_VIT),
}


@pytest.fixture
def inputs():
    """The last patches of the search image stick out."""
    names = ('exemplar', 'exemplar_bbox', 'search')
    return dict(zip(names, small.make_inputs(32, (56, 66))))


@pytest.mark.parametrize('name', BACKBONES)
def test_network_is_left_as_it_was(name, inputs):
    """What maps hold is tested with each backbone."""
    backbone = BACKBONES[name]()
    maps = record_attention(backbone, inputs)
    again = record_attention(backbone, inputs, np.array([3, 1, 2]))
    assert list(maps) == [1, 2, 3] and list(again) == [3, 1, 2]
    for layer, grid in maps.items():
        torch.testing.assert_close(grid, again[layer], rtol=0, atol=0)
        assert grid.shape == (2, 4, 5) and not grid.requires_grad
        assert 0 < grid.min() and grid.max() < 1
    assert not any(module._forward_hooks for module in backbone.modules())
    inputs['search'] = inputs['search'][:, :2]  # two channels
    with pytest.raises(RuntimeError, match='channels'):
        record_attention(backbone, inputs)
    assert not any(module._forward_hooks for module in backbone.modules())


LAYERS = [
    (12, [2, 4, 6, 8, 10, 12]),
    (8, [1, 3, 4, 5, 7, 8]),
    (6, [1, 2, 3, 4, 5, 6]),
    (1, [1]),
]


@pytest.mark.parametrize('num_layers, expected', LAYERS)
def test_default_layers_end_with_the_last(num_layers, expected):
    backbone = small.vit()
    backbone.layers = nn.ModuleList([backbone.layers[0]] * num_layers)
    assert attention_layers(backbone) == expected


@pytest.mark.parametrize('layers, found', [([2, 0, 4], '0, 4'), ([], 'no n')])
def test_wrong_layers_are_refused(layers, found, inputs):
    message = rf'found {found}.* 3 layers .*from 1 to 3\.'
    with pytest.raises(ValueError, match=message):
        record_attention(small.vit(3), inputs, layers)


def test_other_networks_are_refused(inputs):
    with pytest.raises(TypeError, match='found JointSwin, expected .*ViT'):
        record_attention(small.swin(), inputs)


@pytest.fixture
def model():
    cfg = load_demo().model
    cfg.exemplar.factor, cfg.search.factor = 2, 4
    cfg.data_preprocessor.update(mean=[0, 0, 0], std=[255, 255, 255])
    return MODELS.build(cfg)


def test_row_shows_crops_boxes_and_maps_at_their_places(model, monkeypatch):
    """The attention is replaced by what is red in the search crop."""
    seen = {}

    def attend_to_red(model, inputs, layers):
        seen.update(inputs, layers=layers)
        red = inputs['search'][:, 0] - inputs['search'][:, 1]
        return {2: nn.AvgPool2d(8)(red)}

    monkeypatch.setattr(module, 'record_attention', attend_to_red)
    frames = np.full((2, 100, 160, 3), 51, np.uint8)
    frames[0, 20:40, 30:50] = 255, 0, 0
    frames[1, 30:50, 50:70] = 255, 0, 0
    bboxes = np.array([[30, 20, 50, 40], [40, 30, 60, 50], [51, 30, 71, 50]])
    row = attention_row(model, frames, bboxes, [2], 'title', side=64)
    assert row.shape == (18 + 64, 3 * 68, 3) and row.dtype == np.uint8
    assert seen['layers'] == [2]
    # the exemplar's window is 40 px, [20, 10, 60, 50]
    assert seen['exemplar_bbox'].tolist() == [[0.25, 0.25, 0.75, 0.75]]
    assert seen['exemplar_bbox'].dtype == torch.float32
    assert seen['search'][0, :, 5, 5].tolist() == pytest.approx([0.2] * 3)
    exemplar, search, overlay = (
        row[18:, left : left + 64] for left in (0, 68, 136)
    )
    assert exemplar[20, 20].tolist() == [255, 0, 0]
    assert exemplar[16, 16].tolist() == list(GT_COLOR)
    # 16 px of 64 px in the middle
    assert exemplar[24, 24].tolist() == list(FOVEAL_COLOR)
    assert exemplar[39, 39].tolist() == list(FOVEAL_COLOR)
    # the search window is 80 px, [10, 0, 90, 80]; 0.8 px of the picture each
    assert search[25:39, 34:48].mean(axis=(0, 1))[0] > 240
    assert search[24, 33].tolist() == list(PRED_COLOR)
    assert search[39, 48].tolist() == list(PRED_COLOR)
    heat = overlay[..., 0].astype(int) - overlay[..., 2]
    assert heat[26:38, 34:46].min() > 0
    assert heat[:20].max() < 0 and heat[:, :28].max() < 0
    for left in (0, 68, 136):  # captions and gaps
        assert row[:18, left : left + 64].min() < 150
        assert (row[:, left + 64 : left + 68] == 255).all()


def test_rows_of_several_models_are_stacked():
    rows = [np.zeros((82, 5 * 68, 3), np.uint8)]
    rows.append(np.zeros((82, 3 * 68, 3), np.uint8))  # has fewer layers
    image = draw_attention(rows)
    assert image.shape == (2 * 82 + 18, 5 * 68, 3)
    assert (image[82:164, 3 * 68 :] == 255).all()
    assert (image[82:164, : 3 * 68] == 0).all()
    assert image[164:].min() < 150  # legend


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
    flat = np.full((4, 4), 0.01, np.float32)  # is cold
    overlay = overlay_attention(flat, np.zeros((32, 32, 3), np.uint8))
    assert (overlay == [0, 0, 64]).all()
