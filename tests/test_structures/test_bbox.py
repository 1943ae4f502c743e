import numpy as np
import pytest

from mmsimtrack import structures


def test_formats():
    bboxes_xywh = np.array([[1.5, 2, 10, 20], [-3, 0, 4, 5]])
    bboxes = structures.xywh_to_xyxy(bboxes_xywh)
    np.testing.assert_array_equal(bboxes, [[1.5, 2, 11.5, 22], [-3, 0, 1, 5]])
    np.testing.assert_array_equal(structures.xyxy_to_xywh(bboxes), bboxes_xywh)


def test_area():
    good, bad = [(1, 2, 3, 4), (-9, 0, 1, 1)], [(1, 2, 0, 4), (1, 2, 3, -1)]
    found = structures.has_area(np.array([*good, *bad, (np.nan, 2, 3, 4)]))
    assert found.tolist() == [True] * 2 + [False] * 3


IOUS = [
    ((0, 0, 4, 4), (0, 0, 4, 4), 1),
    ((0, 0, 4, 4), (2, 2, 6, 6), 4 / 28),
    ((0, 0, 4, 4), (4, 0, 8, 4), 0),
    ((0, 0, 4, 4), (9, 9, 12, 12), 0),
    ((4, 4, 0, 0), (0, 0, 4, 4), 0),  # inverted
    ((1, 1, 1, 1), (1, 1, 1, 1), 0),  # no area
]


@pytest.mark.parametrize('bbox, other, iou', IOUS)
def test_aligned_iou(bbox, other, iou):
    assert structures.aligned_iou([bbox], [other])[0] == pytest.approx(iou)


def test_clip_in_a_frame_smaller_than_the_margin():
    clipped = structures.clip_bboxes([(-3, 1, 20, 30)], (8, 6), margin=10)
    np.testing.assert_array_equal(clipped, [(0, 0, 6, 8)])


def test_clip_takes_a_size_per_box():
    clipped = structures.clip_bboxes(
        [(0, 0, 50, 50)] * 2, [(20, 30), (40, 45)], 10
    )
    np.testing.assert_array_equal(clipped, [(0, 0, 30, 20), (0, 0, 45, 40)])
