"""A small ViT of torch's own layers, with the names of other projects."""

import torch
from torch import nn
from torch.nn import functional as F

WIDTH, LAYERS, SIDE = 16, 2, 32
ARCH = dict(
    embed_dims=WIDTH, num_layers=LAYERS, num_heads=2, feedforward_channels=32
)
# name in `ViT` -> name in the other project
TIMM = {
    'layers.norm': 'norm',
    'layers.layers': 'blocks',
    'patch_embed': 'patch_embed.proj',
    'self_attn.in_proj_': 'attn.qkv.',
    'self_attn.out_proj': 'attn.proj',
    'linear': 'mlp.fc',
}
CLIP = {
    'cls_token': 'class_embedding',
    'pos_embed': 'positional_embedding',
    'patch_embed': 'conv1',
    'pre_norm': 'ln_pre',
    'layers.norm': 'ln_post',
    'layers.layers': 'transformer.resblocks',
    'self_attn': 'attn',
    'linear1': 'mlp.c_fc',
    'linear2': 'mlp.c_proj',
    'norm': 'ln_',
}


def randomized(network):
    """Make every weight of a network count."""
    torch.manual_seed(0)
    for name, tensor in network.state_dict().items():
        if tensor.is_floating_point():
            tensor.normal_(0.1, 0.3)
            if 'running_var' in name:
                tensor.abs_().add_(0.1)
    network.eval()  # mmpretrain's backbones do not return themselves
    return network


class ViT(nn.Module):
    """A ViT of timm, or one of CLIP."""

    def __init__(self, patch=16, grid=SIDE // 16, clip=False):
        super().__init__()
        eps = 1e-5 if clip else 1e-6
        self.cls_token = nn.Parameter(torch.zeros(1, 1, WIDTH))
        self.pos_embed = nn.Parameter(torch.zeros(1, 1 + grid**2, WIDTH))
        self.patch_embed = nn.Conv2d(3, WIDTH, patch, patch, bias=not clip)
        self.pre_norm = nn.LayerNorm(WIDTH) if clip else nn.Identity()
        quick = (lambda x: x * torch.sigmoid(1.702 * x)) if clip else F.gelu
        layer = nn.TransformerEncoderLayer(
            WIDTH, 2, 32, 0, quick, eps, batch_first=True, norm_first=True
        )
        self.layers = nn.TransformerEncoder(
            layer, LAYERS, nn.LayerNorm(WIDTH, eps), False
        )
        randomized(self)

    def forward(self, image):
        x = self.patch_embed(image).flatten(2).mT
        x = torch.cat([self.cls_token.expand(len(x), -1, -1), x], dim=1)
        return self.layers(self.pre_norm(x + self.pos_embed))


def timm_weights(vit=None):
    """The weights of a ViT as timm names them."""
    return _named((vit or ViT()).state_dict(), TIMM)


def dinov2_weights(vit):
    """As Meta names them; LayerScale multiplies what was divided before."""
    weights = timm_weights(vit)
    for i in range(LAYERS):
        for scale, layer in ((1, 'attn.proj'), (2, 'mlp.fc2')):
            gamma = torch.rand(WIDTH) + 0.5
            weights[f'blocks.{i}.ls{scale}.gamma'] = gamma
            for part in ('weight', 'bias'):
                name = f'blocks.{i}.{layer}.{part}'
                rows = weights[name].movedim(0, -1) / gamma
                weights[name] = rows.movedim(-1, 0)
    return weights | {'mask_token': torch.zeros(1, WIDTH)}


def clip_weights(vit):
    """The weights of a CLIP with this ViT; its text encoder is a stub."""
    weights = _named(vit.state_dict(), CLIP)
    weights['class_embedding'] = weights['class_embedding'].flatten()
    (weights['positional_embedding'],) = weights['positional_embedding']
    weights['proj'] = torch.zeros(WIDTH, 8)
    weights = {f'visual.{name}': x.half() for name, x in weights.items()}
    for name in (
        'positional_embedding',
        'transformer.resblocks.0.ln_1.weight',
        'token_embedding.weight',
        'logit_scale',
    ):
        weights[name] = torch.zeros(2)
    return weights


def _named(weights, names):
    result = {}
    for name, tensor in weights.items():
        for old, new in names.items():
            name = name.replace(old, new)
        result[name] = tensor.clone()
    return result


class MicrosoftMerging(nn.Module):
    """Patch merging as Microsoft's Swin does it."""

    def __init__(self, channels):
        super().__init__()
        self.norm = nn.LayerNorm(4 * channels)
        self.reduction = nn.Linear(4 * channels, 2 * channels, bias=False)
        randomized(self)

    def forward(self, x):  # (B, H, W, C)
        corners = [
            x[:, row::2, column::2] for column in (0, 1) for row in (0, 1)
        ]
        return self.reduction(self.norm(torch.cat(corners, dim=-1)))
