import browse_pairs as tool
import cv2
import numpy as np
import pytest
from mmengine.config import Config
from test_configs import load, shrink_backbone
from torch import nn

GREEN, YELLOW = (64, 220, 64), (255, 208, 0)


def write_config(folder, make_data_for, name='simtrack/sim_b16_lasot'):
    """The config of a shipped one with miniatures and a small network."""
    cfg = load(f'{name}.py')
    for dataset in cfg.train_dataloader.dataset.datasets:
        make_data_for(dataset, folder / 'data')
    cfg.train_dataloader.dataset.sampling.update(min_frames=2, min_visible=2)
    shrink_backbone(cfg.model.backbone)
    path = folder / 'config.py'
    cfg.dump(path)
    return path


def count(picture, color):
    """Pixels of a color."""
    return (picture == color).all(-1).sum()


DRAWN = [
    ('simtrack/sim_b16_lasot', True),
    ('simtrack/sim_pvt-m_lasot', False),
    ('stark/stark-s_r50_lasot', False),
]


@pytest.mark.parametrize('name, has_fovea', DRAWN)
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
    assert len({text.partition(': ')[0] for text in texts[:-1]}) > 2
    for k, text in enumerate(texts[:-1]):
        assert text.endswith(f'key (0, {k})')
    assert f'Drew 8 pairs to {out}' in capsys.readouterr().out


def test_chosen_pairs_in_own_files(run_tool, texts, tmp_path, make_data_for):
    config = write_config(tmp_path, make_data_for)
    folder = tmp_path / 'pictures'
    options = ('--num', 2, '--first-key', 7, '--show-dir', folder)
    seed = 'randomness.seed=5'
    run_tool(tool, config, *options, '--cfg-options', seed)
    assert sorted(path.name for path in folder.iterdir()) == ['7.png', '8.png']
    assert [text[-6:] for text in texts] == ['(5, 7)', '(5, 8)']
    pairs = tool.build_pairs(Config.fromfile(config))
    for k, text in zip((7, 8), texts):
        pair = pairs[5, k]
        first, second = pair['frames']
        assert f'{pair["sequence"]}  frames {first}, {second}  ' in text
        assert text.startswith(str(tmp_path / 'data'))


def make_pair():
    """An exemplar of 16 px, a search crop of 32 px, both gray."""
    return {
        'exemplar': np.full((16, 16, 3), 90, np.uint8),
        'exemplar_bbox': np.array([0.25, 0.25, 0.75, 0.5]),
        'search': np.full((32, 32, 3), 50, np.uint8),
        'search_bbox': np.array([0.5, 0.25, 0.75, 1.5]),
        'key': (0, 3),
        'sequence': 'cat-1',
        'folder': 'lasot/cat/cat-1/img',
        'frames': (2, 9),
    }


def test_boxes_lie_where_they_should():
    picture = tool.draw_pair(make_pair(), nn.Identity(), side=64)
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


def test_config_must_train(tmp_path):
    path = tmp_path / 'config.py'
    path.write_text('model = dict()\n')
    message = r'config\.py: train_dataloader.dataset.type is None, expected Pa'
    with pytest.raises(KeyError, match=message):
        tool.build_pairs(Config.fromfile(path))
