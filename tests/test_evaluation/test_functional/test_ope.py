import numpy as np
import pytest

from mmsimtrack.evaluation.functional.ope import (
    center_errors,
    normalized_center_errors,
    overlaps,
)

NAN = [np.nan] * 4


def test_perfect_overlaps():
    # corners as pixel indices can make a perfect overlap 1 + 2e-16
    same = np.random.default_rng(0).uniform(1, 99, (1000, 4))
    assert overlaps(same, same).max() > 1
    assert overlaps(same, same, pixel=0).max() <= 1


@pytest.mark.parametrize(
    ('measure', 'result', 'gt', 'expected'),
    [
        (overlaps, [5, 0, 10, 10], [0, 0, 10, 10], 50 / 150),
        (overlaps, [2, 3, 4, 5], [0, 0, 8, 10], 20 / 80),
        (overlaps, [20, 0, 1, 1], [0, 0, 9, 9], 0),
        (overlaps, [0, 0, 0, 0], [0, 0, 0, 0], 0),
        (overlaps, NAN, [0, 0, 2, 2], np.nan),
        # centers are pixel indices, but the same offset for both boxes
        (center_errors, [3, 4, 10, 20], [0, 0, 10, 20], 5),
        (center_errors, [0, 0, 12, 20], [0, 0, 10, 20], 1),
        (normalized_center_errors, [3, 8, 10, 20], [0, 0, 10, 20], 0.5),
        (normalized_center_errors, [0, 0, 1, 1], [0, 0, 0, 0], np.nan),
    ],
)
def test_measures(measure, result, gt, expected):
    (found,) = measure(np.array([result], float), np.array([gt], float))
    assert found == pytest.approx(expected, nan_ok=True)
