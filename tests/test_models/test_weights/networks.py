"""Small networks as other projects write them, to compare features with."""

import torch
from torch import nn

WIDTH, LAYERS, SIDE = 16, 2, 32
ARCH = dict(
    embed_dims=WIDTH,
    num_layers=LAYERS,
    num_heads=2,
    feedforward_channels=32,
)


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


class LayerScale(nn.Module):
    """gamma * x, as in DINOv2."""

    def __init__(self):
        super().__init__()
        self.gamma = nn.Parameter(torch.ones(WIDTH))

    def forward(self, x):
        return self.gamma * x


class TimmBlock(nn.Module):
    """x + attention(norm1(x)), then x + mlp(norm2(x))."""

    def __init__(self, dinov2):
        super().__init__()
        self.norm1 = nn.LayerNorm(WIDTH, eps=1e-6)
        self.attn = nn.Module()
        self.attn.qkv = nn.Linear(WIDTH, 3 * WIDTH)
        self.attn.proj = nn.Linear(WIDTH, WIDTH)
        self.norm2 = nn.LayerNorm(WIDTH, eps=1e-6)
        self.mlp = nn.Module()
        self.mlp.fc1 = nn.Linear(WIDTH, 32)
        self.mlp.fc2 = nn.Linear(32, WIDTH)
        self.ls1 = LayerScale() if dinov2 else nn.Identity()
        self.ls2 = LayerScale() if dinov2 else nn.Identity()

    def forward(self, x):
        qkv = self.attn.qkv(self.norm1(x)).unflatten(2, (3, 2, WIDTH // 2))
        q, k, v = qkv.permute(2, 0, 3, 1, 4)
        weights = (q @ k.mT / (WIDTH // 2) ** 0.5).softmax(-1)
        attended = (weights @ v).transpose(1, 2).flatten(2)
        x = x + self.ls1(self.attn.proj(attended))
        hidden = nn.functional.gelu(self.mlp.fc1(self.norm2(x)))
        return x + self.ls2(self.mlp.fc2(hidden))


class TimmViT(nn.Module):
    """A ViT with the names of timm, or those of DINOv2."""

    def __init__(self, dinov2=False, patch=16, grid=SIDE // 16):
        super().__init__()
        self.cls_token = nn.Parameter(torch.zeros(1, 1, WIDTH))
        self.pos_embed = nn.Parameter(torch.zeros(1, 1 + grid**2, WIDTH))
        self.patch_embed = nn.Module()
        self.patch_embed.proj = nn.Conv2d(3, WIDTH, patch, patch)
        self.blocks = nn.ModuleList(TimmBlock(dinov2) for _ in range(LAYERS))
        self.norm = nn.LayerNorm(WIDTH, eps=1e-6)
        randomized(self)

    def forward(self, image):
        x = self.patch_embed.proj(image).flatten(2).mT
        x = torch.cat([self.cls_token.expand(len(x), -1, -1), x], dim=1)
        x = x + self.pos_embed
        for block in self.blocks:
            x = block(x)
        return self.norm(x)


class QuickGELU(nn.Module):
    """CLIP's activation."""

    def forward(self, x):
        return x * torch.sigmoid(1.702 * x)


class ClipBlock(nn.Module):
    """A layer of CLIP's ViT."""

    def __init__(self):
        super().__init__()
        self.attn = nn.MultiheadAttention(WIDTH, 2, batch_first=True)
        self.ln_1 = nn.LayerNorm(WIDTH)
        self.mlp = nn.Sequential()
        self.mlp.add_module('c_fc', nn.Linear(WIDTH, 32))
        self.mlp.add_module('gelu', QuickGELU())
        self.mlp.add_module('c_proj', nn.Linear(32, WIDTH))
        self.ln_2 = nn.LayerNorm(WIDTH)

    def forward(self, x):
        y = self.ln_1(x)
        x = x + self.attn(y, y, y, need_weights=False)[0]
        return x + self.mlp(self.ln_2(x))


class ClipViT(nn.Module):
    """A ViT with the names of CLIP."""

    def __init__(self):
        super().__init__()
        self.class_embedding = nn.Parameter(torch.zeros(WIDTH))
        self.positional_embedding = nn.Parameter(torch.zeros(5, WIDTH))
        self.proj = nn.Parameter(torch.zeros(WIDTH, 8))
        self.conv1 = nn.Conv2d(3, WIDTH, 16, 16, bias=False)
        self.ln_pre = nn.LayerNorm(WIDTH)
        self.transformer = nn.Module()
        self.transformer.resblocks = nn.Sequential(
            *[ClipBlock() for _ in range(LAYERS)]
        )
        self.ln_post = nn.LayerNorm(WIDTH)
        randomized(self)

    def forward(self, image):
        x = self.conv1(image).flatten(2).mT
        x = torch.cat([self.class_embedding.expand(len(x), 1, -1), x], dim=1)
        x = self.ln_pre(x + self.positional_embedding)
        return self.ln_post(self.transformer.resblocks(x))


def clip_weights(visual):
    """The weights of a CLIP with this ViT; its text encoder is a stub."""
    weights = {f'visual.{k}': t for k, t in visual.state_dict().items()}
    for name in (
        'positional_embedding',
        'transformer.resblocks.0.ln_1.weight',
        'token_embedding.weight',
        'logit_scale',
    ):
        weights[name] = torch.zeros(2)
    return weights


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
