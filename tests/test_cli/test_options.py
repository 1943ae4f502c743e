import argparse
from pathlib import Path

import pytest
from small_models import DEMO

from mmsimtrack.cli.options import (
    parse_bbox,
    parse_image,
    parse_numbers,
    parse_source,
)
from mmsimtrack.cli.settings import change_settings
from mmsimtrack.fileio import read_config


def test_command_lines_take_xywh():
    assert parse_bbox('204,150.5,17,50') == [204, 150.5, 221, 200.5]


REFUSED = [
    *((parse_bbox, t, 'four') for t in ('1,2,3', '1,2,3,4,5', 'a,b,c,d')),
    (parse_bbox, '', 'four numbers x,y,w,h in pixels, such as 204,150'),
    (parse_numbers, '2,x', 'whole numbers between commas, such as 2,4,6'),
    (parse_image, 'maps.doc', 'an image file such as attention.png'),
]


@pytest.mark.parametrize('parse, text, expected', REFUSED)
def test_other_text_is_refused(parse, text, expected):
    message = f"'{text}', expected {expected}"
    with pytest.raises(argparse.ArgumentTypeError, match=message):
        parse(text)


def test_numbers_and_images():
    assert parse_numbers('2,4') == [2, 4]
    assert parse_image('a/b.png') == 'a/b.png'


def test_a_number_is_a_camera_unless_it_is_a_folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert parse_source('0') == 0
    assert parse_source('clip.mp4') == 'clip.mp4'
    Path('0').mkdir()
    assert parse_source('0') == '0'


def test_a_dumped_config_may_hold_helpers(tmp_path):
    path = tmp_path / 'dumped.py'
    read_config(DEMO).dump(path)
    cfg = read_config(path)
    change_settings(cfg, {'train_cfg.max_epochs': 1})
    assert cfg.data_root and cfg.train_cfg.max_epochs == 1
    path.write_text(f'load_form = None\n{path.read_text()}\n')
    with pytest.raises(ValueError, match='Did you mean load_from'):
        change_settings(read_config(path), {})


def test_helpers_of_a_file_cannot_be_changed_from_outside():
    cfg = read_config(DEMO)
    places = 'test_dataloader.dataset.data_root and train_dataloader.dataset'
    with pytest.warns(UserWarning, match=f'data_root has no .* Set {places}'):
        change_settings(cfg, {'data_root': 'elsewhere'})


def test_what_a_hook_hands_on_is_checked():
    cfg = read_config(DEMO.parents[1] / 'simtrack/sim_s16-6l_real.py')
    assert cfg.default_hooks.ema.type == 'EMAHook'
    with pytest.raises(ValueError, match='momentm.* Did you mean momentum'):
        change_settings(cfg, {'default_hooks.ema.momentm': 0.1})
