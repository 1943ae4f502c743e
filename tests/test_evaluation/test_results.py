import re

import numpy as np
import pytest

from mmsimtrack.evaluation.functional import RefusedFile
from mmsimtrack.evaluation.results import find_oddity, find_results
from mmsimtrack.structures import xywh_to_xyxy

PLACES = [
    ('a', 'a.txt a_001.txt', 'a.txt'),
    ('b', 'b_001.txt b_002.txt b_time.txt', 'b_001.txt b_002.txt'),
    ('c', 'c/c_001.txt c/c_003.txt c/x.txt', 'c/c_001.txt c/c_003.txt'),
    ('x-y-1', 'x-y/x-y-1.txt', 'x-y/x-y-1.txt'),  # of SAM2-Plus
    # of pytracking
    ('airboard_1', 'nfs_airboard_1.txt', 'nfs_airboard_1.txt'),
    ('bike1', 'uav_bike1_001.txt', 'uav_bike1_001.txt'),
    ('Jogging-1', 'Jogging_1.txt Jogging_2.txt', 'Jogging_1.txt'),
    ('dog', 'nfs_dog/nfs_dog.txt', 'nfs_dog/nfs_dog.txt'),
    # of GOT-10k's toolkit
    ('Skating2-2', 'Skating2.1.txt Skating2.2.txt', 'Skating2.2.txt'),
    ('Human4-2', 'Human4.txt', 'Human4.txt'),
]


@pytest.mark.parametrize('name, files, expected', PLACES)
def test_where_results_lie(tmp_path, name, files, expected):
    for file in files.split():
        (tmp_path / file).parent.mkdir(exist_ok=True)
        (tmp_path / file).touch()
    found = find_results(tmp_path, name)
    assert [str(x.relative_to(tmp_path)) for x in found] == expected.split()


def test_no_result(tmp_path):
    with pytest.raises(RefusedFile, match=r'd\.txt: is missing\. Track'):
        find_results(tmp_path, 'd')
    assert find_results(tmp_path, 'd', optional=True) == ()


GT = np.array([[100 + 9 * t, 80 + 9 * t, 30, 40.0] for t in range(20)])
GOOD = GT + (2, 2, 0, 0)
# the given box, then nothing that fits
LOST = np.vstack([GT[:1], GT[:-1] + (0, 500, 0, 0)])[:5]


ODD_RESULTS = [
    (GOOD, ''),
    (LOST, '5 rows for 20 frames$'),
    (GOOD[:3], '3 rows for 20 frames'),
    (GOOD / 1000, 'all boxes are below 1 px: are they fractions of the f'),
    (xywh_to_xyxy(GOOD), r'mean overlap 0.\d\d, but 0.8. if rows were x1'),
    (GOOD + (15, 20, 0, 0), 'mean .*, but 0.8. if x and y were those of'),
    (GOOD[1:], '19 rows for 20 frames, .* if the first row were not miss'),
    (GOOD[[0, *range(20)]], '21 rows for 20 .* row were not there twice'),
    (GOOD[[0, *range(19)]], 'mean .* if the first row were not there twi'),
    (np.full((20, 4), np.nan), '20 of the boxes are NaN'),
    (GOOD[:1], '1 rows for 20 frames'),
]


@pytest.mark.parametrize('result, expected', ODD_RESULTS)
def test_results_that_look_wrong(result, expected):
    found = find_oddity(result, GT)
    assert re.match(expected, found) and bool(found) == bool(expected), found
