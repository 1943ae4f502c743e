import numpy as np
import pytest

from mmsimtrack.datasets.transforms import ExchangeBackground, PasteObject
from mmsimtrack.datasets.transforms.paste import paste

BOX = np.array([0.375, 0.375, 0.625, 0.625])
OUTLINE = [np.array([[0.375, 0.375], [0.625, 0.375], [0.625, 0.625]])]


def pair(seed=0, outline=OUTLINE):
    """A gray crop; another picture has a white square of 20 x 10 px."""
    picture = np.zeros((40, 50, 3), np.uint8)
    picture[10:20, 20:40] = 255
    square = np.array([[20, 10], [40, 10], [40, 20], [20, 20]], np.float32)
    return dict(
        search=np.full((64, 64, 3), 100, np.uint8),
        search_bbox=BOX,
        search_outline=outline,
        rng=np.random.default_rng(seed),
        draw_object=lambda: (picture, [square]),
        draw_background=lambda size: np.full((size, size, 3), 7, np.uint8),
    )


def test_object_lands_where_it_should():
    results = pair()
    picture, outline = results['draw_object']()
    crop = paste(results['search'], picture, outline, (20.0, 40.0), 2**0.5 * 8)
    seen = crop[..., 0] > 180
    columns, rows = np.flatnonzero(seen.any(0)), np.flatnonzero(seen.any(1))
    # 16 x 8 px around (20, 40)
    assert (columns[0], columns[-1] + 1) == pytest.approx((12, 28), abs=1)
    assert (rows[0], rows[-1] + 1) == pytest.approx((36, 44), abs=1)
    # soft edges, no black rim of the picture's background
    assert crop.min() > 55


def covered_share(results):
    """Share of the target's box that the pasted object hides."""
    low, high = (BOX.reshape(2, 2) * 64).astype(int)
    box = results['search'][low[1] : high[1], low[0] : high[0], 0]
    return (box > 180).mean()


def test_occluders_hide_a_part_and_distractors_hardly_any():
    occluder = PasteObject(occluder=1, distractor=0)
    hidden = [covered_share(occluder(pair(seed))) for seed in range(100)]
    assert 0.05 < np.mean(hidden) < 0.5 and max(hidden) < 0.9
    distractor = PasteObject(occluder=0, distractor=1)
    beside = [covered_share(distractor(pair(seed))) for seed in range(100)]
    assert np.mean(beside) < 0.02
    changed = distractor(pair())
    np.testing.assert_array_equal(changed['search_bbox'], BOX)


def test_how_often_objects_are_pasted():
    transform = PasteObject(occluder=0.2, distractor=0.3)
    first, second = transform(pair(4)), transform(pair(4))
    np.testing.assert_array_equal(first['search'], second['search'])
    pasted = [(transform(pair(k))['search'] != 100).any() for k in range(400)]
    assert np.mean(pasted) == pytest.approx(0.5, abs=0.08)


def test_background_is_exchanged_around_the_outline():
    results = ExchangeBackground(prob=1)(pair())
    crop = results['search'][..., 0]
    assert crop[27, 36] == 100  # inside of the triangle
    assert crop[36, 27] == 7 and crop[4, 4] == 7  # in the box, and beyond
    # without outline the background stays
    results = ExchangeBackground(prob=1)(pair(outline=[]))
    assert (results['search'] == 100).all()
