import numpy as np
import pytest

from mmsimtrack.datasets.transforms import effects


@pytest.fixture
def image():
    rng = np.random.default_rng(0)
    return rng.integers(0, 256, (20, 30, 3), dtype=np.uint8)


NEUTRAL = [
    (effects.motion_blur, (1, 0.5)),
    (effects.defocus, (0,)),
    (effects.noise, (0, np.random.default_rng(0))),
    (effects.color, ()),
]


@pytest.mark.parametrize('effect, arguments', NEUTRAL)
def test_neutral_numbers_change_nothing(image, effect, arguments):
    np.testing.assert_array_equal(effect(image, *arguments), image)


@pytest.mark.parametrize('angle', [0, 0.4, np.pi / 2, 2.5])
def test_motion_blur_draws_a_centered_line(angle):
    point = np.zeros((31, 31, 3), np.uint8)
    point[15, 15] = 255
    blurred = effects.motion_blur(point, 9, angle)[..., 0].astype(float)
    rows, cols = np.nonzero(blurred > 5)
    along = (cols - 15) * np.cos(angle) + (rows - 15) * np.sin(angle)
    across = (rows - 15) * np.cos(angle) - (cols - 15) * np.sin(angle)
    assert np.abs(across).max() <= 1.2
    assert 3.5 <= along.max() <= 5 and along.min() == -along.max()
    assert blurred.sum() == pytest.approx(255, abs=12)


def test_defocus_spreads_by_sigma():
    point = np.zeros((41, 41, 3), np.uint8)
    point[15:26, 15:26] = 255
    weights = effects.defocus(point, 3)[20, :, 0].astype(float)
    places = np.arange(41) - 20
    variance = (weights * places**2).sum() / weights.sum()
    assert variance == pytest.approx(9 + (11**2 - 1) / 12, rel=0.05)


def test_jpeg_loses_more_at_low_quality(image):
    errors = [
        np.abs(effects.jpeg(image, q).astype(int) - image).mean()
        for q in (10, 50, 100)
    ]
    assert errors[0] > errors[1] > errors[2]
    red = np.zeros((16, 16, 3), np.uint8) + np.uint8([200, 10, 10])
    np.testing.assert_allclose(effects.jpeg(red, 95), red, atol=4)


def test_noise_is_normal_and_comes_from_the_generator():
    gray = np.full((200, 200, 3), 128, np.uint8)
    added = [
        effects.noise(gray, 7, np.random.default_rng(seed)).astype(float) - 128
        for seed in (0, 0, 1)
    ]
    np.testing.assert_array_equal(added[0], added[1])
    assert (added[0] != added[2]).any()
    assert added[0].mean() == pytest.approx(0, abs=0.1)
    assert added[0].std() == pytest.approx(7, rel=0.02)
    assert np.mean(added[0] ** 4) / 7**4 == pytest.approx(3, rel=0.1)


def test_color_by_hand(image):
    pixel = np.uint8([[[100, 50, 200]]])
    bright = effects.color(pixel, gain=1.2, offset=-10)
    assert bright.tolist() == [[[110, 50, 230]]]
    tinted = effects.color(pixel, tint=(2, 1, 0.5))
    assert tinted.tolist() == [[[200, 50, 100]]]
    luma = round(0.299 * 100 + 0.587 * 50 + 0.114 * 200)
    assert effects.color(pixel, saturation=0).tolist() == [[[luma] * 3]]
    assert effects.color(pixel, gain=9).tolist() == [[[255] * 3]]


def test_coarse_images_lack_detail():
    image = np.uint8(np.indices((64, 64)).sum(0) % 2 * 255)
    image = np.dstack([image] * 3)
    np.testing.assert_array_equal(effects.coarsen(image, 1), image)
    assert image.std() > 100 and effects.coarsen(image, 4).std() < 30
