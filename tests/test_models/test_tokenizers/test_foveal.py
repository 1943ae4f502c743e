import pytest
import torch
from mmcv.cnn.bricks.transformer import PatchEmbed

from mmsimtrack.models.tokenizers import FovealTokenizer, foveal_offset

# exemplar, foveal, patch, offset, exemplar tokens, foveal tokens
VARIANTS = {
    'b16': (112, 64, 16, 24, 49, 16),
    'b32': (128, 64, 32, 48, 16, 4),
    'l14': (84, 42, 14, 21, 36, 9),
}


BBOX = torch.tensor([[0.3, 0.3, 0.6, 0.7]])


def embed(patch=16):
    """The projection of patches to tokens of 8 channels."""
    return PatchEmbed(embed_dims=8, kernel_size=patch, stride=patch)


@pytest.mark.parametrize('variant', VARIANTS)
def test_offset_and_token_counts(variant):
    size, foveal, patch, offset, num_exemplar, num_foveal = VARIANTS[variant]
    assert foveal_offset(size, foveal, patch) == offset
    assert offset >= 0 and offset + foveal <= size
    # the lines lie halfway between those of the exemplar
    lines = torch.arange(offset, offset + foveal + 1, patch)
    assert (lines % patch == patch // 2).all()
    tokenizer = FovealTokenizer(8, patch, foveal)
    tokens = tokenizer(torch.randn(1, 3, size, size), BBOX, embed(patch))
    assert tokens.shape == (1, num_exemplar + num_foveal, 8)


REFUSED = [
    ((112, 60, 16), 'multiples of an even patch size'),
    ((100, 64, 16), 'multiples of an even patch size'),
    ((45, 15, 15), 'multiples of an even patch size'),
    ((112, 112, 16), 'does not fit'),
]


@pytest.mark.parametrize('sizes, message', REFUSED)
def test_offset_refuses(sizes, message):
    with pytest.raises(ValueError, match=message):
        foveal_offset(*sizes)


def test_as_released_keeps_the_centre_crop_of_b32():
    assert FovealTokenizer(8, 32, 64, as_released=True).foveal_start(128) == 32
    assert FovealTokenizer(8, 16, 32, as_released=True).foveal_start(96) == 40


def test_without_target_position_there_are_patches_only():
    tokenizer = FovealTokenizer(8, 16, 0, target_position=False)
    # with several GPUs, a parameter without gradient is an error
    assert not list(tokenizer.parameters())
    exemplar, patch_embed = torch.randn(1, 3, 48, 48), embed()
    tokens = tokenizer(exemplar, BBOX, patch_embed)
    assert torch.equal(tokens, patch_embed(exemplar)[0])


def test_foveal_tokens_need_a_position():
    message = 'foveal_size is 64, but target_position=False .* '
    message += 'Set tokenizer.foveal_size=0'
    with pytest.raises(ValueError, match=message):
        FovealTokenizer(8, 16, 64, target_position=False)
