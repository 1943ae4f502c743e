"""What several parity tests compare alike."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from small_models import make_samples

from mmsimtrack.structures import xywh_to_xyxy

# what the official code computes in float32
UNIT = dict(rtol=0, atol=1e-6)  # in units of a crop
FLOAT32 = dict(rtol=1e-6, atol=1e-4)  # in pixels
ROUNDING = 0.5  # px, of the corner of a crop


def assert_same_crop(found, expected):
    """OpenCV's versions differ by 1 gray level on at most 1 % of a crop."""
    difference = np.abs(found.astype(int) - expected)
    assert found.shape == expected.shape
    assert difference.max(initial=0) <= 1
    assert (difference > 0).mean() <= 0.01


def lost_lines(pads, frame):
    """(H, W) bool, the last column and row where the release drops them."""
    _, bottom, _, right = pads
    lost = np.zeros(frame.shape[:2], bool)
    lost[-1] |= bottom > 0
    lost[:, -1] |= right > 0
    return lost


def without_lost_lines(pads, frame):
    """The frame, black where the release does not see it."""
    lost = lost_lines(pads, frame)
    return np.where(lost[..., None], np.uint8(0), frame)


def share_of(window, pixels):
    """How much of each pixel of the crop stems from pixels of the frame."""
    pixels = np.repeat(pixels[..., None], 3, axis=2)
    return window.cut(pixels.astype(np.float64))[..., 0]


def assert_only_lost_lines_differ(window, frame, expected, pads):
    """Ours is `expected` when the frame is black where it loses pixels."""
    assert_same_crop(window.cut(without_lost_lines(pads, frame)), expected)
    # and elsewhere in any case
    lost = lost_lines(pads, frame)
    untouched = share_of(window, lost) == 0
    assert_same_crop(window.cut(frame)[untouched], expected[untouched])


def corner_lost_by_rounding(around_xywh, window):
    """How far (x, y) the whole pixels moved the window, at most 0.5."""
    center = np.array(around_xywh[:2]) + np.array(around_xywh[2:]) / 2
    moved = (window.left, window.top) - (center - window.side / 2)
    assert np.abs(moved).max() <= 0.5
    return moved


def assert_box_into_crop(found, expected_xywh, around_xywh, window):
    """Ours is exact; the official box lies where the rounding moved it.

    And by half a crop pixel more: its center of a crop is (S - 1) / 2.
    """
    moved = corner_lost_by_rounding(around_xywh, window)
    difference = 0.5 / window.size - moved / window.side
    np.testing.assert_allclose(
        found - xywh_to_xyxy(expected_xywh), np.tile(difference, 2), **UNIT
    )


def assert_geometry(crop, expected):
    corner = crop.x1, crop.y1, crop.side
    assert corner == tuple(expected[k] for k in ('x1', 'y1', 'crop_sz'))
    assert crop.pads == tuple(expected['pads'])
    assert crop.resize_factor == pytest.approx(expected['resize_factor'])


def to_corners(cxcywh):
    center, extent = np.split(np.array(cxcywh), 2, axis=-1)
    return np.concatenate([center - extent / 2, center + extent / 2], axis=-1)


def track_from(model, frame, state, bbox_xywh):
    """Our next box (4,) xyxy, as if the previous one was `bbox_xywh`."""
    bboxes = torch.from_numpy(xywh_to_xyxy([bbox_xywh]))
    return model.track([frame], replace(state, bboxes=bboxes)).bboxes[0]


def take_step(model, wrapper, inputs, bboxes):
    """Train a step; parts of the loss and gradients before clipping."""
    samples = make_samples(*bboxes)
    losses = model(inputs, samples, mode='loss')
    total, _ = model.parse_losses(losses)
    wrapper.backward(total)
    grads = {
        name: p.grad.norm().item()
        for name, p in model.named_parameters()
        if p.grad is not None
    }
    wrapper.step()  # clips
    wrapper.zero_grad()
    parts = {name: part.item() for name, part in losses.items()}
    return {**parts, 'total': total.item(), 'grads': grads}


def total_norm(grads):
    return sum(value**2 for value in grads.values()) ** 0.5
