"""What holds for every backbone."""

import pytest
import torch
from mmdet.models.backbones import PyramidVisionTransformer
from mmpretrain.models import ResNet, SwinTransformer, VisionTransformer
from small_backbones import (
    DECODER,
    FOVEAL,
    PLAIN,
    PVT,
    RESNET,
    SIAMESE_VIT,
    SWIN,
    VIT,
    make_inputs,
    one_way,
    pvt,
    run,
    siamese,
    swin,
    vit,
)

from mmsimtrack.models import JointPVT, JointSwin, JointViT, OneWayViT

# sides of exemplar and search image
SIZES = {
    vit: (32, 64),
    one_way: (32, 64),
    swin: (64, 128),  # maps of 16, 8, 4, 2 and of 32, 16, 8, 4 tokens a side
    pvt: (112, 64),  # maps of 28, 14, 7, 4 and of 16, 8, 4, 2 tokens a side
    siamese: (32, 64),
}
RELEASED = FOVEAL | dict(as_released=True)
EVERY_2ND = dict(num_layers=5, interaction_every=2)
# how to build it, channels of its feature
BACKBONES = {
    'vit': (vit, {}, 16),
    'vit without position': (vit, dict(tokenizer=PLAIN), 16),
    'vit without window': (vit, dict(tokenizer=dict(foveal_size=0)), 16),
    'vit as released': (vit, dict(tokenizer=RELEASED), 16),
    'every 2nd': (vit, EVERY_2ND, 16),
    'decoder': (vit, dict(decoder=DECODER), 8),
    'decoder, every 2nd': (vit, dict(decoder=DECODER, **EVERY_2ND), 8),
    'one-way': (one_way, {}, 16),
    'one-way without position': (one_way, dict(tokenizer=PLAIN), 16),
    'swin': (swin, {}, 32 + 64),
    'pvt': (pvt, {}, 12 + 16),
    'siamese vit': (siamese, dict(features=SIAMESE_VIT), 8),
    'siamese resnet': (siamese, dict(features=RESNET), 8),
}
WITHOUT_BOX = ('vit without position', 'one-way without position')


def inputs_of(build):
    exemplar, search = SIZES[build]
    return make_inputs(exemplar, (search, search))


@pytest.mark.parametrize('name', BACKBONES)
def test_contract(name):
    """Shape, memory, independence of the rows, use of every parameter."""
    build, options, out_channels = BACKBONES[name]
    backbone = build(**options)
    inputs = inputs_of(build)
    exemplar, bbox, search = inputs
    memory = backbone.embed_exemplar(exemplar, bbox)
    before = [part.clone() for part in memory]
    feature = backbone(memory, search)
    assert backbone.out_channels == out_channels
    assert feature.shape[:2] == (len(search), out_channels)
    assert feature.std() > 0.01
    # a memory serves many frames
    backbone(memory, search.flip(0))
    assert torch.equal(backbone(memory, search), feature)
    assert all(torch.equal(*pair) for pair in zip(memory, before))
    # rows know nothing of each other
    rows = [
        run(backbone, *(x[i : i + 1] for x in inputs))
        for i in range(len(search))
    ]
    torch.testing.assert_close(torch.cat(rows), feature)
    # the exemplar decides, and its box, far above the rounding of float64
    other = run(backbone, exemplar.flip(0), bbox, search)
    assert (feature - other).abs().max() > 1e-4
    other = run(backbone, exemplar, bbox.flip(0), search)
    without_box = name in WITHOUT_BOX or 'siamese' in name
    assert (torch.equal(feature, other)) == without_box
    assert without_box or (feature - other).abs().max() > 1e-6
    # with several GPUs, a parameter without gradient is an error
    assert backbone.train() is backbone
    run(backbone, *inputs).square().sum().backward()
    for name, parameter in backbone.named_parameters():
        assert parameter.grad is not None or not parameter.requires_grad, name


@pytest.mark.parametrize(
    ('ours', 'library', 'options'),
    [
        (vit(3), VisionTransformer, dict(VIT, pre_norm=True)),
        (vit(3, decoder=DECODER), VisionTransformer, dict(VIT, pre_norm=True)),
        (one_way(num_layers=3), VisionTransformer, dict(VIT, pre_norm=True)),
        (swin(), SwinTransformer, SWIN),
        (pvt(), PyramidVisionTransformer, PVT),
        (siamese(SIAMESE_VIT), VisionTransformer, SIAMESE_VIT),
        (siamese(RESNET), ResNet, RESNET),
    ],
    ids=lambda x: type(x).__name__,
)
def test_names_are_those_of_the_library_but_for_fresh(ours, library, options):
    options = {k: v for k, v in options.items() if k != 'type'}
    theirs = library(**options).state_dict()
    if hasattr(ours, 'features'):
        theirs = {f'features.{name}': x for name, x in theirs.items()}
    added = ours.state_dict().keys() - theirs.keys()
    assert added and all(name.startswith(ours.fresh) for name in added)
    assert not theirs.keys() - ours.state_dict().keys()


WRONG_OPTIONS = [
    (JointViT, dict(with_cls_token=False), 'cls_token=False is not supp'),
    (JointViT, dict(final_norm=False), 'norm=False is not supported'),
    (JointViT, dict(interaction_every=0), 'every is 0, expected 1 to 3'),
    (JointViT, dict(interaction_every=4), 'every is 4, expected 1 to 3'),
    (OneWayViT, dict(interaction_every=2), 'an option of JointViT only'),
    (OneWayViT, dict(decoder=DECODER), 'is an option of JointViT only'),
    (JointSwin, dict(use_abs_pos_embed=True), 'embed=True is not suppor'),
    (JointSwin, dict(out_after_downsample=True), 'True is not supported'),
    (JointPVT, dict(use_abs_pos_embed=False), 'embed is no option here'),
    (JointPVT, dict(convert_weights=False), 'weights is no option here'),
]


@pytest.mark.parametrize('kind, options, message', WRONG_OPTIONS)
def test_options_without_a_place(kind, options, message):
    if kind in (JointViT, OneWayViT):
        options = dict(VIT, tokenizer=FOVEAL, **options)
    with pytest.raises(ValueError, match=message):
        kind(**options)


CHECKPOINTED = [
    (vit, dict(num_layers=4)),
    (vit, dict(num_layers=4, interaction_every=2)),
    (swin, {}),
]


@pytest.mark.parametrize('build, options', CHECKPOINTED)
def test_with_cp_computes_again_what_it_does_not_keep(build, options):
    """The same feature and gradients; fewer numbers kept for them."""
    inputs = inputs_of(build)
    results = []
    for backbone in (build(**options), build(**options, with_cp=True)):
        sizes = []

        def keep(tensor, sizes=sizes):
            sizes.append(tensor.numel())
            return tensor

        with torch.autograd.graph.saved_tensors_hooks(keep, lambda x: x):
            feature = run(backbone, *inputs)
        feature.square().sum().backward()
        gradients = [p.grad for p in backbone.parameters()]
        results.append((feature, gradients, sum(sizes)))
    torch.testing.assert_close(results[0][:2], results[1][:2])
    assert results[1][2] < 0.7 * results[0][2]


def test_frozen_layers_and_all_before_do_not_learn():
    backbone = vit(num_layers=3, frozen_layers=2)
    frozen = {k for k, p in backbone.named_parameters() if not p.requires_grad}
    parts = 'cls_token pos_embed patch_embed pre_norm tokenizer layers.0 '
    parts = tuple(f'{parts}layers.1'.split())
    assert frozen == {k for k in backbone.state_dict() if k.startswith(parts)}
    run(backbone, *inputs_of(vit)).sum().backward()
    for name, parameter in backbone.named_parameters():
        assert (parameter.grad is None) == (name in frozen), name
