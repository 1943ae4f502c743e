import pytest
import torch
from mmcv.cnn.bricks.transformer import PatchEmbed

from mmsimtrack.models.tokenizers import (
    FovealTokenizer,
    TargetPositionEmbedding,
    foveal_offset,
    patch_boxes,
    target_ratio,
)

# exemplar, foveal, patch, offset, exemplar tokens, foveal tokens
VARIANTS = {
    'b16': (112, 64, 16, 24, 49, 16),
    'b32': (128, 64, 32, 48, 16, 4),
    'l14': (84, 42, 14, 21, 36, 9),
}


@pytest.mark.parametrize('variant', VARIANTS)
def test_offset_and_token_counts(variant):
    size, foveal, patch, offset, num_exemplar, num_foveal = VARIANTS[variant]
    assert foveal_offset(size, foveal, patch) == offset
    tokenizer = FovealTokenizer(8, patch, foveal)
    patch_embed = PatchEmbed(embed_dims=8, kernel_size=patch, stride=patch)
    exemplar = torch.randn(2, 3, size, size)
    tokens = tokenizer(exemplar, torch.rand(2, 4).sort()[0], patch_embed)
    assert tokens.shape == (2, num_exemplar + num_foveal, 8)


@pytest.mark.parametrize('variant', VARIANTS)
def test_foveal_lines_lie_halfway_between_those_of_the_exemplar(variant):
    size, foveal, patch, offset, *_ = VARIANTS[variant]
    lines = torch.arange(offset, offset + foveal + 1, patch)
    assert (lines % patch == patch // 2).all()
    assert offset >= 0 and offset + foveal <= size


@pytest.mark.parametrize(
    ('sizes', 'message'),
    [
        ((112, 60, 16), 'multiples of an even patch size'),
        ((100, 64, 16), 'multiples of an even patch size'),
        ((45, 15, 15), 'multiples of an even patch size'),
        ((112, 112, 16), 'does not fit'),
    ],
)
def test_offset_refuses(sizes, message):
    with pytest.raises(ValueError, match=message):
        foveal_offset(*sizes)


def test_patch_boxes_by_hand():
    boxes = patch_boxes(4, 2, 8, 32, torch.zeros(1, dtype=torch.float64))
    expected = [[4, 4, 12, 12], [12, 4, 20, 12], [4, 12, 12, 20]]
    expected.append([12, 12, 20, 20])
    torch.testing.assert_close(
        boxes, torch.tensor(expected, dtype=torch.float64) / 32
    )


def test_target_ratio_by_hand():
    patches = patch_boxes(0, 2, 8, 16, torch.zeros(1))
    bbox = torch.tensor([[0.25, 0.0, 0.75, 0.5], [0.0, 0.0, 0.25, 0.25]])
    expected = torch.tensor([[0.5, 0.5, 0, 0], [0.25, 0, 0, 0]])
    torch.testing.assert_close(target_ratio(patches, bbox), expected)


def test_ratios_sum_to_the_area_of_the_target():
    patches = patch_boxes(0, 7, 16, 112, torch.zeros(1))
    bbox = torch.tensor([[0.213, 0.1, 0.77, 0.64], [-0.4, 0.3, 0.5, 1.6]])
    area = torch.tensor([0.557 * 0.54, 0.5 * 0.7]) * 49
    torch.testing.assert_close(target_ratio(patches, bbox).sum(-1), area)


def test_a_box_outside_of_the_crop_changes_nothing_when_clamped():
    patches = patch_boxes(0, 4, 8, 32, torch.zeros(1))
    bbox = torch.tensor([[-0.3, 0.2, 0.6, 1.4]])
    torch.testing.assert_close(
        target_ratio(patches, bbox), target_ratio(patches, bbox.clamp(0, 1))
    )


def test_position_embedding_is_the_released_formula():
    torch.manual_seed(0)
    embedding = TargetPositionEmbedding(8)
    patches = patch_boxes(0, 2, 8, 16, torch.zeros(1))
    bbox = torch.tensor([[0.25, 0.0, 0.75, 0.5]])
    found = embedding(patches, bbox)
    # patch 1: R = 0.5, centre (0.75, 0.25)
    inputs = torch.tensor([(0.5 + 1) / 2, 0.75, 0.25])
    first, _, second = embedding.fcs
    hidden = torch.relu(first.weight @ inputs + first.bias)
    expected = 2 * torch.sigmoid(second.weight @ hidden + second.bias) - 1
    torch.testing.assert_close(found[0, 1], expected)


def test_foveal_tokens_see_the_window_and_their_own_ratio():
    tokenizer = FovealTokenizer(8, 16, 64)
    patch_embed = PatchEmbed(embed_dims=8, kernel_size=16, stride=16)
    exemplar = torch.randn(1, 3, 112, 112)
    bbox = torch.tensor([[0.3, 0.3, 0.6, 0.7]])
    tokens = tokenizer(exemplar, bbox, patch_embed)
    window = patch_embed(exemplar[..., 24:88, 24:88])[0]
    position = tokenizer.position(patch_boxes(24, 4, 16, 112, bbox), bbox)
    torch.testing.assert_close(tokens[:, 49:], window + position)


def test_as_released_has_the_same_weights_and_another_foveal_position():
    torch.manual_seed(0)
    tokenizer = FovealTokenizer(8, 16, 64)
    released = FovealTokenizer(8, 16, 64, as_released=True)
    released.load_state_dict(tokenizer.state_dict())
    patch_embed = PatchEmbed(embed_dims=8, kernel_size=16, stride=16)
    inputs = torch.randn(1, 3, 112, 112), torch.tensor([[0.3, 0.3, 0.6, 0.7]])
    ours, theirs = (t(*inputs, patch_embed) for t in (tokenizer, released))
    torch.testing.assert_close(ours[:, :49], theirs[:, :49])
    assert not torch.allclose(ours[:, 49:], theirs[:, 49:])
    # foveal token (i, j) = (1, 2): neighbours (2, 3) and (3, 4) of 7 x 7
    grid = tokenizer.position(patch_boxes(0, 7, 16, 112, inputs[1]), inputs[1])
    mean = (grid[0, 2 * 7 + 3] + grid[0, 3 * 7 + 4]) / 2
    foveal = patch_embed(inputs[0][..., 24:88, 24:88])[0]
    torch.testing.assert_close(theirs[0, 49 + 6], foveal[0, 6] + mean)


def test_as_released_keeps_the_centre_crop_of_b32():
    assert FovealTokenizer(8, 32, 64, as_released=True).foveal_start(128) == 32
    assert FovealTokenizer(8, 16, 32, as_released=True).foveal_start(96) == 40


def test_without_foveal_window_there_are_exemplar_tokens_only():
    torch.manual_seed(0)
    tokenizer = FovealTokenizer(8, 16, 0)
    with_window = FovealTokenizer(8, 16, 64)
    with_window.load_state_dict(tokenizer.state_dict())
    patch_embed = PatchEmbed(embed_dims=8, kernel_size=16, stride=16)
    inputs = torch.randn(1, 3, 112, 112), torch.tensor([[0.3, 0.3, 0.6, 0.7]])
    tokens = tokenizer(*inputs, patch_embed)
    assert tokens.shape == (1, 49, 8)
    position = tokenizer.position(
        patch_boxes(0, 7, 16, 112, inputs[1]), inputs[1]
    )
    torch.testing.assert_close(tokens, patch_embed(inputs[0])[0] + position)
    expected = with_window(*inputs, patch_embed)[:, :49]
    torch.testing.assert_close(tokens, expected)


def test_without_target_position_there_are_patches_only():
    tokenizer = FovealTokenizer(8, 16, 0, target_position=False)
    # with several GPUs, a parameter without gradient is an error
    assert not list(tokenizer.parameters())
    patch_embed = PatchEmbed(embed_dims=8, kernel_size=16, stride=16)
    exemplar = torch.randn(2, 3, 48, 48)
    tokens = tokenizer(exemplar, torch.rand(2, 4).sort()[0], patch_embed)
    assert torch.equal(tokens, patch_embed(exemplar)[0])


def test_foveal_tokens_need_a_position():
    with pytest.raises(
        ValueError,
        match='foveal_size is 64, but target_position=False .* '
        'Set tokenizer.foveal_size=0',
    ):
        FovealTokenizer(8, 16, 64, target_position=False)
