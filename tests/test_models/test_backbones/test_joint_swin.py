import math

import pytest
import torch
import torch.nn.functional as F
from small_backbones import SWIN, make_inputs, swin

from mmsimtrack.models.backbones.pyramid import join_last_stages
from mmsimtrack.models.tokenizers import patch_boxes

WINDOW = SWIN['window_size']


def groups(grid, shift):
    """(N,) which (shifted) window a token is in; the last ones do not wrap."""
    row, column = torch.meshgrid(*map(torch.arange, grid), indexing='ij')
    row, column = (row - shift) // WINDOW, (column - shift) // WINDOW
    return (100 * row + column).flatten()


def naive_block(block, tokens, grid, kept=None):
    """A block without windows, padding or rolling: masks on all tokens.

    Returns:
        The new tokens.
    """
    attn, msa = block.attn, block.attn.w_msa
    query, key, value = (
        x.unflatten(2, (msa.num_heads, -1)).transpose(1, 2)
        for x in msa.qkv(block.norm1(tokens)).chunk(3, dim=-1)
    )
    group = groups(grid, attn.shift_size if min(grid) > WINDOW else 0)
    same = group[:, None] == group
    row, column = (
        x.flatten()[:, None] - x.flatten()
        for x in torch.meshgrid(*map(torch.arange, grid), indexing='ij')
    )
    # row of the table for every distance; others are masked out
    index = (row + WINDOW - 1) * (2 * WINDOW - 1) + column + WINDOW - 1
    index = index.where(same, torch.zeros(()).long())
    bias = msa.relative_position_bias_table[index].permute(2, 0, 1)
    bias = bias.masked_fill(~same, -math.inf)
    scores = query @ key.mT / math.sqrt(query.shape[-1]) + bias
    if kept is not None:  # no bias, no mask
        of_exemplar = query @ kept[:, 0].mT / math.sqrt(query.shape[-1])
        scores = torch.cat([of_exemplar, scores], dim=-1)
        value = torch.cat([kept[:, 1], value], dim=2)
    weights = scores.softmax(-1)
    out = (weights @ value).transpose(1, 2).flatten(2)
    tokens = tokens + msa.proj(out)
    return block.ffn(block.norm2(tokens), identity=tokens)


def test_exemplar_runs_by_itself_and_is_pooled():
    backbone = swin()
    exemplar, bbox, _ = make_inputs(64, (128, 128))
    memory = iter(backbone.embed_exemplar(exemplar, bbox))
    tokens, grid = backbone.patch_embed(exemplar)
    # p_e of Eq. (7), once, at the start
    patches = patch_boxes(0, 16, 4, 64, bbox)
    tokens = tokens + backbone.tokenizer(patches, bbox)
    for stage in backbone.stages:
        for block in stage.blocks:
            _, key, value = block.attn.w_msa.qkv(block.norm1(tokens)).chunk(
                3, dim=-1
            )
            part = next(memory).transpose(2, 3).flatten(3)
            for found, x in zip(part.unbind(1), (key, value)):
                # the mean of keys is the key of the mean: 16x16, 8x8 and 4x4
                # tokens become those of a window, 2x2 stay
                x = x.mT.unflatten(2, grid)
                x = F.avg_pool2d(x, max(grid[0] // WINDOW, 1))
                torch.testing.assert_close(found, x.flatten(2).mT)
            tokens = naive_block(block, tokens, grid)
        if stage.downsample:
            tokens, grid = stage.downsample(tokens, grid)
    assert grid == (2, 2) and next(memory, None) is None


# maps are multiples of windows; are padded; patches stick out
@pytest.mark.parametrize('size', [(128, 128), (64, 96), (72, 104)])
def test_search_equals_a_naive_network(size):
    backbone, (exemplar, bbox, search) = swin(), make_inputs(64, size)
    memory = backbone.embed_exemplar(exemplar, bbox)
    found = backbone(memory, search)
    memory = iter(memory)
    tokens, grid = backbone.patch_embed(search)
    features = []
    for i, stage in enumerate(backbone.stages):
        for block in stage.blocks:
            kept = next(memory)
            tokens = naive_block(block, tokens, grid, kept)
        if i >= 2:
            norm = getattr(backbone, f'norm{i}')
            features.append(norm(tokens).mT.unflatten(2, grid))
        if stage.downsample:
            tokens, grid = stage.downsample(tokens, grid)
    torch.testing.assert_close(found, join_last_stages(*features))
    assert next(memory, None) is None
