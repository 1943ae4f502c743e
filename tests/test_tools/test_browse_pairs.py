from pathlib import Path

import browse_pairs as tool
import cv2
import numpy as np
import pytest
import torch
from mmengine.config import Config
from mmengine.structures import InstanceData
from torch import nn

from mmsimtrack.structures import SOTDataSample

ROOT = Path(__file__).parents[2]
SMALL_VIT = dict(
    embed_dims=8, num_layers=1, num_heads=1, feedforward_channels=8
)
GREEN, YELLOW = (64, 220, 64), (255, 208, 0)


def write_config(folder, make_data_for, name='simtrack/sim_b16_lasot'):
    """The config of a shipped one with miniatures and a small network."""
    cfg = Config.fromfile(ROOT / f'configs/{name}.py')
    for dataset in cfg.train_dataloader.dataset.datasets:
        make_data_for(dataset, folder / 'data')
    cfg.train_dataloader.dataset.sampling.update(min_frames=2, min_visible=2)
    backbone = cfg.model.backbone
    if 'arch' in backbone and isinstance(backbone.arch, dict):
        backbone.arch.update(SMALL_VIT)
    path = folder / 'config.py'
    cfg.dump(path)
    return path


def count(picture, color):
    """Pixels of a color."""
    return (picture == color).all(-1).sum()


@pytest.mark.parametrize(
    'name, has_fovea',
    [
        ('simtrack/sim_b16_lasot', True),
        ('simtrack/sim_pvt-m_lasot', False),
        ('stark/stark-s_r50_lasot', False),
    ],
)
def test_draws_what_the_paper_trains_on(
    run_tool, texts, tmp_path, make_data_for, name, has_fovea, capsys
):
    config = write_config(tmp_path, make_data_for, name)
    out = tmp_path / 'out' / 'pairs.png'
    options = ('--num', 8, '--columns', 2, '--side', 96, '--out', out)
    run_tool(tool, config, *options)
    picture = cv2.imread(str(out))[..., ::-1]
    assert picture.shape == (4 * (18 + 96 + 6) + 18, 2 * 2 * (96 + 6), 3)
    assert count(picture, GREEN) > 8 * 96
    assert (count(picture, YELLOW) > 0) == has_fovea
    assert len(texts) == 9
    assert texts[-1].startswith('green: target')
    assert 'Eq. (7)' not in texts[-1]
    sets = {text.split()[0] for text in texts[:-1]}
    assert sets <= {'LaSOT', 'Got10k', 'Coco', 'TrackingNet'}
    assert len(sets) > 2
    for k, text in enumerate(texts[:-1]):
        assert text.endswith(f'key (0, {k})')
    assert f'Drew 8 pairs to {out}' in capsys.readouterr().out


def test_chosen_pairs_in_files_of_their_own(
    run_tool, texts, tmp_path, make_data_for
):
    config = write_config(tmp_path, make_data_for)
    folder = tmp_path / 'pictures'
    options = ('--num', 2, '--first-key', 7, '--show-dir', folder)
    seed = 'randomness.seed=5'
    run_tool(tool, config, *options, '--patches', '--cfg-options', seed)
    assert sorted(path.name for path in folder.iterdir()) == ['7.png', '8.png']
    assert [text[-6:] for text in texts] == ['(5, 7)', '(5, 8)']
    pairs = tool.build_pairs(Config.fromfile(config))
    for k, text in zip((7, 8), texts):
        sample = pairs[5, k]['data_samples']
        first, second = sample.frames
        assert f'{sample.sequence}  frames {first}, {second}  ' in text
        assert text.startswith(pairs.last_dataset() + ' ')


def make_pair():
    """An exemplar of 16 px, a search crop of 32 px, both gray."""
    sample = SOTDataSample(
        metainfo={'key': (0, 3), 'sequence': 'cat-1', 'frames': (2, 9)}
    )
    bboxes = torch.tensor([[0.5, 0.25, 0.75, 1.5]])
    sample.gt_instances = InstanceData(bboxes=bboxes)
    inputs = {
        'exemplar': torch.full((3, 16, 16), 90, dtype=torch.uint8),
        'exemplar_bbox': torch.tensor([0.25, 0.25, 0.75, 0.5]),
        'search': torch.full((3, 32, 32), 50, dtype=torch.uint8),
    }
    return {'inputs': inputs, 'data_samples': sample}


def test_boxes_lie_where_they_should():
    picture = tool.draw_pair(make_pair(), 'LaSOT', nn.Identity(), 0, side=64)
    assert picture.shape == (18 + 64 + 6, 2 * (64 + 6), 3)
    left, right = picture[18:-6, :64], picture[18:-6, 70:134]
    for view, level, box in (
        (left, 90, (16, 16, 47, 31)),
        (right, 50, (32, 16, 47, 63)),
    ):
        ys, xs = np.nonzero((view == GREEN).all(-1))
        assert (xs.min(), ys.min(), xs.max(), ys.max()) == box
        assert set(view[8, 8]) == {level}
    # the lower edge lies outside of the crop
    assert (right[63, 33:47] == 50).all()
    assert (picture[18:-6, 64:70] == 255).all()


def test_shades_are_the_ratio():
    """Target of 8 x 4 px in patches of 8 px: half and half of two."""
    exemplar = np.full((16, 16, 3), 90, np.uint8)
    bbox = torch.tensor([0.25, 0, 0.75, 0.5])
    picture = tool.shade_patches(exemplar, bbox, 8)
    shaded = (0.75 * 90 + 0.25 * np.array(tool.SHADE)).astype(int)
    for y, expected in ((4, shaded), (12, [90] * 3)):
        for x in (4, 12):
            np.testing.assert_allclose(picture[y, x], expected, atol=1)
    assert (picture[8] == 200).all()
    assert (exemplar == 90).all()


def test_patches_need_their_ratio():
    message = '--patches: found Identity without .*Leave the option out'
    with pytest.raises(ValueError, match=message):
        tool.patch_size(nn.Identity())


def test_config_must_train(tmp_path):
    path = tmp_path / 'config.py'
    path.write_text('model = dict()\n')
    message = r'config\.py: train_dataloader.dataset.type is None, expected Pa'
    with pytest.raises(KeyError, match=message):
        tool.build_pairs(Config.fromfile(path))
