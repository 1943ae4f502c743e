"""What a source may be."""

import cv2
import numpy as np
import pytest

from mmsimtrack.apis.sources import open_source


@pytest.mark.parametrize('inner', ['', 'img'])
def test_folder_of_mixed_frames(tmp_path, inner):
    """Numbers count by their value, whatever the ending; others do not."""
    folder = tmp_path / inner
    folder.mkdir(exist_ok=True)
    names = ['1.jpeg', '2.JPG', '003.webp', '10.png', '11.tif']
    for i, name in enumerate(names):
        cv2.imwrite(str(folder / name), np.full((8, 8, 3), 20 * i, np.uint8))
    for name in ('._1.jpg', 'notes.txt'):
        (folder / name).write_text('no frame')
    frames = list(open_source(tmp_path))
    assert [round(frame.mean(), -1) for frame in frames] == [0, 20, 40, 60, 80]


def test_folder_without_frames(tmp_path):
    with pytest.raises(ValueError, match='holds no frame, expected files end'):
        open_source(tmp_path)
