import math

import pytest
import torch

from mmsimtrack.models.backbones.candidate_elimination import (
    CandidateElimination,
)
from mmsimtrack.models.backbones.ostrack_vit import OSTrackViT

ARCH = dict(embed_dims=16, num_layers=3, num_heads=2, feedforward_channels=32)
BBOX = torch.tensor([[0.25, 0.25, 0.75, 0.75]]).expand(2, 4)


def build(elimination=None, **kwargs):
    torch.manual_seed(0)
    backbone = OSTrackViT(elimination=elimination, arch=ARCH, **kwargs)
    backbone.set_crop_sizes(64, 96)
    backbone.init_weights()
    backbone.eval()  # of mmpretrain, which does not return itself
    return backbone


@pytest.fixture
def images():
    generator = torch.Generator().manual_seed(1)
    sizes = (2, 3, 64, 64), (2, 3, 96, 96)
    return [torch.randn(*size, generator=generator) for size in sizes]


@torch.no_grad()
def test_a_batch_equals_its_images(images):
    backbone = build(dict(blocks=[1], keep_ratio=0.3, template_tokens='box'))
    exemplar, search = images
    boxes = torch.tensor([[0.2, 0.3, 0.9, 0.8], [0.4, 0.1, 0.6, 0.9]])
    memory = backbone.embed_exemplar(exemplar, boxes)
    both = backbone(memory, search)
    for i in range(2):
        one = backbone(tuple(m[[i]] for m in memory), search[[i]])
        torch.testing.assert_close(both[[i]], one)
        alone = backbone.embed_exemplar(exemplar[[i]], boxes[[i]])
        torch.testing.assert_close(memory[1][[i]], alone[1])


def test_lists_of_tokens():
    """One for all images, or one each."""
    bbox = torch.zeros(2, 4)
    pairs = [[5, 6], [0, 15]]
    for tokens, expected in (([5], [[5], [5]]), (pairs, pairs)):
        elimination = CandidateElimination(3, [0], 0.7, tokens)
        weights = elimination.template_weights(4, 16, bbox)
        assert weights.sum(1).tolist() == [1, 1]
        chosen = [row.nonzero().flatten().tolist() for row in weights]
        assert chosen == expected
    for tokens in ([16], [[1]], [-1]):
        elimination = CandidateElimination(3, [0], 0.7, tokens)
        with pytest.raises(ValueError, match='from 0 to 15, one list'):
            elimination.template_weights(4, 16, bbox)


def test_a_target_between_the_tokens_is_ranked_by_the_middle():
    elimination = CandidateElimination(3, [0], 0.7, 'box')
    bbox = torch.tensor([[0.46, 0.0, 0.54, 1.0]])  # 5 px wide, 27 to 32
    weights = elimination.template_weights(4, 16, bbox)
    assert weights.nonzero().tolist() == [[0, 5]]


def test_training_keeps_the_same_share_in_every_block(images):
    options = dict(blocks=[0, 1], keep_ratio=[0.5, 0.25])
    backbone = build(dict(options, start_epoch=math.inf))
    exemplar, search = images

    def count():
        with torch.no_grad():
            memory = backbone.embed_exemplar(exemplar, BBOX)
            feature = backbone(memory, search)
        return (feature.abs().sum(1) > 0).sum((1, 2)).tolist()

    assert count() == [5, 5]  # 36 -> 18 -> 5, by a share each
    backbone.train()
    backbone.elimination.start_epoch = 0
    assert count() == [9, 9]  # 36 -> 18 -> 9


REFUSED = [
    ('blocks', [0, 0], r'blocks is \[0, 0\], expected different'),
    ('blocks', [-1], r'blocks is \[-1\], expected different'),
    ('blocks', [], r'blocks is \[\], expected different'),
    ('keep_ratio', 0, r'keep_ratio is \[0, 0\], expected a share'),
    ('keep_ratio', [0.5], r'keep_ratio is \[0.5\], expected a share'),
    ('template_tokens', 'centre', "tokens is 'centre', expected one of"),
    ('template_tokens', [], r'template_tokens is \[\], expected one'),
]


@pytest.mark.parametrize('option, value, message', REFUSED)
def test_options_that_make_no_sense(option, value, message):
    options = dict(blocks=[0, 1], keep_ratio=0.5) | {option: value}
    with pytest.raises(ValueError, match=f'elimination.*{message}'):
        CandidateElimination(3, **options)


def test_positions_of_other_crops_are_refused():
    """By name, with both shapes; a whole model is loaded."""
    weights = build().state_dict()
    backbone = build()
    backbone.set_crop_sizes(64, 128)
    with pytest.raises(ValueError, match=r'search_position: \(1, 36, 16\)'):
        backbone.load_state_dict(weights)
