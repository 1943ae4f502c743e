import argparse
import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parents[2] / 'tools'))
from track import parse_bbox, parse_source  # noqa: E402


def test_command_lines_take_xywh():
    assert parse_bbox('204,150.5,17,50') == [204, 150.5, 221, 200.5]


@pytest.mark.parametrize('text', ['1,2,3', '1,2,3,4,5', 'a,b,c,d', ''])
def test_other_text_is_refused(text):
    with pytest.raises(argparse.ArgumentTypeError, match='expected four'):
        parse_bbox(text)


def test_a_number_is_a_camera_unless_a_folder_has_that_name(
    tmp_path, monkeypatch
):
    monkeypatch.chdir(tmp_path)
    assert parse_source('0') == 0
    assert parse_source('clip.mp4') == 'clip.mp4'
    Path('0').mkdir()
    assert parse_source('0') == '0'
