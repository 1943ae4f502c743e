"""Names of weights in other projects -> names in ours, as tables."""

import re
from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

from mmsimtrack.models.weights.keys import part, unwrap

Weights = dict[str, Tensor]


@dataclass(frozen=True)
class Format:
    """How another project names its weights, and how to get to our names.

    Args:
        wrappers: Keys under which a training keeps its weights.
        prefix: What stands before the names of the backbone in a larger
            network, of which nothing else is kept.
        drop: Regular expression of the beginnings of names to leave out.
        renames: Pairs of a regular expression and what replaces it; all are
            applied to each name, in this order.
        reshape: Changes tensors, before they are renamed.
    """

    wrappers: tuple[str, ...] = ()
    prefix: str = ''
    drop: str = '(?!)'  # matches nothing
    renames: tuple[tuple[str, str], ...] = ()
    reshape: Callable[[Weights], Weights] = dict

    def __call__(self, checkpoint: dict, path: str) -> Weights:
        """Convert a checkpoint that was read from a path."""
        weights = unwrap(checkpoint, path, self.wrappers)
        if any(name.startswith(self.prefix) for name in weights):
            weights = {
                name: tensor
                for name, tensor in weights.items()
                if name.startswith(self.prefix)
            }
            weights = part(weights, self.prefix, path)
        weights = {
            name: tensor
            for name, tensor in weights.items()
            if not re.match(self.drop, name)
        }
        renamed = {}
        for name, tensor in self.reshape(weights).items():
            for old, new in self.renames:
                name = re.sub(old, new, name)
            renamed[name] = tensor
        return renamed


VIT = (
    (r'^norm\.', 'ln1.'),
    (r'^norm_pre\.', 'pre_norm.'),
    (r'^patch_embed\.proj\.', 'patch_embed.projection.'),
    (r'^blocks\.', 'layers.'),
    (r'\.norm([12])\.', r'.ln\1.'),
    (r'\.mlp\.fc1\.', '.ffn.layers.0.0.'),
    (r'\.mlp\.fc2\.', '.ffn.layers.1.'),
)
# DINOv2 as Hugging Face names it -> as Meta names it
HUGGING_FACE = (
    (r'^embeddings\.cls_token', 'cls_token'),
    (r'^embeddings\.position_embeddings', 'pos_embed'),
    (r'^embeddings\.patch_embeddings\.projection\.', 'patch_embed.proj.'),
    (r'^layernorm\.', 'norm.'),
    (r'^encoder\.layer\.', 'blocks.'),
    (r'\.attention\.output\.dense\.', '.attn.proj.'),
    (r'\.attention\.attention\.qkv\.', '.attn.qkv.'),
    (r'\.layer_scale([12])\.lambda1$', r'.ls\1.gamma'),
)


def _join_qkv(weights: Weights) -> Weights:
    """Join query, key and value, which Hugging Face keeps apart."""
    for name in [name for name in weights if '.query.' in name]:
        parts = (name.replace('query', x) for x in ('query', 'key', 'value'))
        parts = [weights.pop(x) for x in parts if x in weights]
        weights[name.replace('query', 'qkv')] = torch.cat(parts)
    return weights


FORMATS = {
    'dinov2': Format(
        wrappers=('model', 'state_dict'),
        prefix='backbone.',
        drop=r'(embeddings\.)?mask_token$',
        renames=(
            *HUGGING_FACE,
            *VIT,
            (r'\.ls1\.gamma$', '.attn.gamma1.weight'),
            (r'\.ls2\.gamma$', '.ffn.gamma2.weight'),
        ),
        reshape=_join_qkv,
    ),
}
