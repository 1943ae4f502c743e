import pytest
import torch

from mmsimtrack.models.backbones.pyramid import (
    join_last_stages,
    target_position,
)
from mmsimtrack.models.tokenizers import TargetPositionEmbedding


def test_last_stages_are_joined_at_the_stride_of_the_third():
    third = torch.arange(16.0).reshape(1, 1, 4, 4)
    fourth = torch.tensor([[0.0, 4.0], [8.0, 12.0]]).reshape(1, 1, 2, 2)
    joined = join_last_stages(third, fourth)
    assert torch.equal(joined[:, :1], third)
    # bilinear, cell centres: 0, 1/4, 3/4 and 1 of the way
    part = torch.tensor([0, 0.25, 0.75, 1])
    expected = 8 * part[:, None] + 4 * part
    torch.testing.assert_close(joined[0, 1], expected)


def test_maps_that_do_not_halve_evenly():
    joined = join_last_stages(torch.ones(2, 3, 5, 7), torch.ones(2, 4, 3, 4))
    torch.testing.assert_close(joined, torch.ones(2, 7, 5, 7))


@pytest.fixture
def embedding():
    """Shows its inputs ((R + 1) / 2, x, y) instead of embedding them."""
    embedding = TargetPositionEmbedding(6)
    first, _, second = embedding.fcs
    with torch.no_grad():
        for layer in (first, second):
            layer.bias.zero_()
            layer.weight.copy_(torch.eye(*layer.weight.shape))
    return embedding


def shown(position):
    """Inputs (B, N, 3) from 2 * sigmoid(input) - 1."""
    return ((position + 1) / 2).logit()[..., :3]


def test_target_position_by_hand(embedding):
    exemplar = torch.zeros(1, 3, 8, 8)
    # the left half, in pixels (0, 0, 4, 8), and a part of one patch
    bbox = torch.tensor([[0.0, 0.0, 0.5, 1.0], [0.5, 0.5, 0.75, 1.0]])
    position = target_position(embedding, exemplar, bbox, patch=4)
    expected = torch.tensor(
        [
            [[1, 0.25, 0.25], [0.5, 0.75, 0.25]]
            + [[1, 0.25, 0.75], [0.5, 0.75, 0.75]],
            [[0.5, 0.25, 0.25], [0.5, 0.75, 0.25]]
            + [[0.5, 0.25, 0.75], [0.75, 0.75, 0.75]],
        ]
    )
    torch.testing.assert_close(shown(position), expected)


def test_the_last_patches_may_stick_out(embedding):
    # 7 px in patches of 4: two a side, centres 2 and 6
    exemplar = torch.zeros(1, 3, 7, 7)
    bbox = torch.tensor([[0.0, 0.0, 1.0, 1.0]])
    found = shown(target_position(embedding, exemplar, bbox, patch=4))[0]
    # the target covers 1, 3/4 and 9/16 of the patches
    ratio = torch.tensor([1, 0.75, 0.75, 0.5625])
    torch.testing.assert_close(found[:, 0], (ratio + 1) / 2)
    centres = torch.tensor([[2.0, 2], [6, 2], [2, 6], [6, 6]]) / 7
    torch.testing.assert_close(found[:, 1:], centres)
