"""ViTs of other projects -> the names of mmpretrain's VisionTransformer."""

from torch import Tensor

from mmsimtrack.models.weights.keys import (
    WrongKeys,
    check_keys,
    numbered,
    part,
    unwrap,
    with_parts,
    without,
)

CLIP_TEXT = (
    'transformer.',
    'token_embedding.',
    'positional_embedding',
    'ln_final.',
    'text_projection',
    'logit_scale',
    # sizes that CLIP's archives keep as buffers
    'input_resolution',
    'context_length',
    'vocab_size',
)
SLIP_OTHERS = (*CLIP_TEXT, 'image_projection', 'image_mlp.')
MOCO_OTHERS = ('momentum_encoder.', 'predictor.')
# classifiers, the projector of MoCo-v3, the decoder of MAE
TIMM_HEADS = ('head.', 'pre_logits.', 'mask_token', 'decoder_')


def clip_vit_names(num_layers: int) -> dict[str, str]:
    """Names of CLIP's ViT -> names of mmpretrain's, without prefixes.

    `proj`, the projection into the space of texts, has no counterpart.
    """
    names = {
        'class_embedding': 'cls_token',
        'positional_embedding': 'pos_embed',
        'conv1.weight': 'patch_embed.projection.weight',
    }
    modules = {'ln_pre': 'pre_norm', 'ln_post': 'ln1'}
    for i in range(num_layers):
        clip, ours = f'transformer.resblocks.{i}', f'layers.{i}'
        modules[f'{clip}.ln_1'] = f'{ours}.ln1'
        modules[f'{clip}.ln_2'] = f'{ours}.ln2'
        modules[f'{clip}.attn.out_proj'] = f'{ours}.attn.proj'
        modules[f'{clip}.mlp.c_fc'] = f'{ours}.ffn.layers.0.0'
        modules[f'{clip}.mlp.c_proj'] = f'{ours}.ffn.layers.1'
        for name in ('weight', 'bias'):
            names[f'{clip}.attn.in_proj_{name}'] = f'{ours}.attn.qkv.{name}'
    return names | dict(with_parts(modules))


def convert_clip(weights: dict[str, Tensor], path: str) -> dict[str, Tensor]:
    """State dict of CLIP -> state dict of its ViT, float32.

    Raises:
        KeyError: If a weight of the ViT is missing or unknown.
    """
    visual = part(weights, 'visual.', path, (*CLIP_TEXT, 'visual.proj'))
    names = clip_vit_names(
        numbered(visual, r'transformer\.resblocks\.(\d+)\.')
    )
    check_keys(visual, names, path, "CLIP's vision transformer")
    ours = {names[name]: tensor.float() for name, tensor in visual.items()}
    ours['cls_token'] = ours['cls_token'].reshape(1, 1, -1)
    ours['pos_embed'] = ours['pos_embed'].unsqueeze(0)
    return ours


def timm_vit_names(num_layers: int, pre_norm: bool = False) -> dict[str, str]:
    """Names of timm's ViT -> names of mmpretrain's.

    Args:
        num_layers: Number of blocks.
        pre_norm: With a norm before the blocks, and then without bias in the
            projection of the patches, as in CLIP.
    """
    modules = {'norm': 'ln1'}
    for i in range(num_layers):
        timm, ours = f'blocks.{i}', f'layers.{i}'
        modules[f'{timm}.norm1'] = f'{ours}.ln1'
        modules[f'{timm}.norm2'] = f'{ours}.ln2'
        modules[f'{timm}.attn.qkv'] = f'{ours}.attn.qkv'
        modules[f'{timm}.attn.proj'] = f'{ours}.attn.proj'
        modules[f'{timm}.mlp.fc1'] = f'{ours}.ffn.layers.0.0'
        modules[f'{timm}.mlp.fc2'] = f'{ours}.ffn.layers.1'
    names = {
        'cls_token': 'cls_token',
        'pos_embed': 'pos_embed',
        'patch_embed.proj.weight': 'patch_embed.projection.weight',
    }
    if pre_norm:
        modules['norm_pre'] = 'pre_norm'
    else:
        names['patch_embed.proj.bias'] = 'patch_embed.projection.bias'
    return names | dict(with_parts(modules))


def convert_timm(checkpoint: dict, path: str) -> dict[str, Tensor]:
    """ViT as timm names it, such as MAE, DeiT, MoCo-v3 and SLIP.

    Wrappers are `model` (MAE, DeiT) and `state_dict` (MoCo-v3, SLIP). Left
    out are heads and decoders, the momentum encoder of MoCo-v3 and the text
    encoder of SLIP.

    Raises:
        KeyError: If a weight of the ViT is missing or unknown, or the file
            is that of a distilled DeiT.
    """
    weights = unwrap(checkpoint, path, ('model', 'state_dict'))
    weights = part(weights, 'base_encoder.', path, MOCO_OTHERS)
    weights = part(weights, 'visual.', path, SLIP_OTHERS)
    if 'dist_token' in weights:
        # its layers were trained with one more token, which we do not have
        raise WrongKeys(
            f'{path} holds dist_token, so it is a distilled DeiT. Expected a '
            'ViT with a class token only: take deit_base_patch16_224-b5f2ef4d '
            'instead of deit_base_distilled_patch16_224-df68dfff.'
        )
    weights = without(weights, TIMM_HEADS)
    names = timm_vit_names(
        numbered(weights, r'blocks\.(\d+)\.'),
        pre_norm=any(name.startswith('norm_pre.') for name in weights),
    )
    check_keys(weights, names, path, "timm's vision transformer")
    return {names[name]: tensor for name, tensor in weights.items()}
