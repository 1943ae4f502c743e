"""Small networks as other projects write them, and their files."""

import pytest
import torch
from torch import nn

WIDTH, LAYERS, SIDE = 16, 2, 32
ARCH = dict(
    embed_dims=WIDTH,
    num_layers=LAYERS,
    num_heads=2,
    feedforward_channels=32,
)


class TimmBlock(nn.Module):
    """x + attention(norm1(x)), then x + mlp(norm2(x))."""

    def __init__(self):
        super().__init__()
        self.norm1 = nn.LayerNorm(WIDTH, eps=1e-6)
        self.attn = nn.Module()
        self.attn.qkv = nn.Linear(WIDTH, 3 * WIDTH)
        self.attn.proj = nn.Linear(WIDTH, WIDTH)
        self.norm2 = nn.LayerNorm(WIDTH, eps=1e-6)
        self.mlp = nn.Module()
        self.mlp.fc1 = nn.Linear(WIDTH, 32)
        self.mlp.fc2 = nn.Linear(32, WIDTH)

    def forward(self, x):
        qkv = self.attn.qkv(self.norm1(x)).unflatten(2, (3, 2, WIDTH // 2))
        q, k, v = qkv.permute(2, 0, 3, 1, 4)
        weights = (q @ k.mT / (WIDTH // 2) ** 0.5).softmax(-1)
        x = x + self.attn.proj((weights @ v).transpose(1, 2).flatten(2))
        hidden = nn.functional.gelu(self.mlp.fc1(self.norm2(x)))
        return x + self.mlp.fc2(hidden)


class TimmViT(nn.Module):
    """A ViT with the names of timm."""

    def __init__(self):
        super().__init__()
        self.cls_token = nn.Parameter(torch.randn(1, 1, WIDTH))
        self.pos_embed = nn.Parameter(torch.randn(1, 5, WIDTH))
        self.patch_embed = nn.Module()
        self.patch_embed.proj = nn.Conv2d(3, WIDTH, 16, 16)
        self.blocks = nn.ModuleList([TimmBlock() for _ in range(LAYERS)])
        self.norm = nn.LayerNorm(WIDTH, eps=1e-6)

    def forward(self, image):
        x = self.patch_embed.proj(image).flatten(2).mT
        x = torch.cat([self.cls_token.expand(len(x), -1, -1), x], dim=1)
        x = x + self.pos_embed
        for block in self.blocks:
            x = block(x)
        return self.norm(x)


def _randomize(network):
    torch.manual_seed(0)
    for name, tensor in network.state_dict().items():
        if tensor.is_floating_point():
            tensor.normal_(0.1, 0.3)
            if 'running_var' in name:
                tensor.abs_().add_(0.1)
    network.eval()  # mmpretrain's backbones do not return themselves
    return network


@pytest.fixture
def randomize():
    """A function that makes every weight of a network count."""
    return _randomize


@pytest.fixture
def timm_vit():
    """A small ViT with the names of timm."""
    return _randomize(TimmViT())


@pytest.fixture
def joint_vit():
    """Config of a `JointViT` of the same size."""
    return dict(
        type='JointViT',
        arch=dict(ARCH),
        patch_size=16,
        img_size=SIDE,
        tokenizer=dict(foveal_size=16),
    )
