"""Configs of networks that several test files build."""

from pathlib import Path

import torch
from mmengine.config import Config
from mmengine.structures import InstanceData

from mmsimtrack.structures import SOTDataSample

DEMO = Path(__file__).parents[1] / 'configs/demo/sim_tiny_generated.py'

LOSSES = dict(
    loss_iou=dict(type='mmdet.GIoULoss', loss_weight=2.0),
    loss_bbox=dict(type='mmdet.L1Loss', loss_weight=5.0),
)
ARCH = dict(embed_dims=16, num_layers=2, num_heads=2, feedforward_channels=32)
VIT = dict(type='JointViT', arch=ARCH, patch_size=16, img_size=64)
SIMTRACK = dict(
    type='SimTrack',
    exemplar=dict(size=32, factor=2),
    search=dict(size=64, factor=4),
    clip_margin=10,
    data_preprocessor=dict(
        type='SOTDataPreprocessor', mean=[128] * 3, std=[64] * 3
    ),
    backbone=dict(VIT, tokenizer=dict(foveal_size=16)),
    head=dict(type='CornerHead', channels=16, **LOSSES),
)


SMALL_VIT = dict(
    embed_dims=16, num_layers=1, num_heads=2, feedforward_channels=16
)


def small_demo(data='data', more=''):
    """The text of a config of a small network, for data of GOT-10k's layout.

    Args:
        data: Folder of the data.
        more: Further lines.
    """
    return f"""
_base_ = ['{DEMO}']
model = dict(backbone=dict(arch={SMALL_VIT}), head=dict(channels=8))
train_dataloader = dict(
    batch_size=2,
    num_workers=1,
    sampler=dict(num_pairs=8),
    dataset=dict(datasets=[
        dict(type='Got10kDataset', data_root='{data}', split='train')]),
)
test_dataloader = dict(dataset=dict(data_root='{data}', split='val'))
default_hooks = dict(logger=dict(interval=1))
{more}"""


def load_demo(**head):
    """The config of the demo with a small network."""
    cfg = Config.fromfile(DEMO, format_python_code=False)
    cfg.model.backbone.arch.update(SMALL_VIT)
    cfg.model.head.update(channels=8, **head)
    return cfg


def make_batch(exemplar=32, search=64, num=2):
    """Normalized pairs of noise; sides in pixels, or (height, width)."""
    generator = torch.Generator().manual_seed(1)

    def noise(size):
        sides = size if isinstance(size, tuple) else (size, size)
        return torch.randn(num, 3, *sides, generator=generator)

    bbox = torch.tensor([[0.25, 0.25, 0.75, 0.75]] * num)
    return dict(
        exemplar=noise(exemplar), exemplar_bbox=bbox, search=noise(search)
    )


def make_samples(*bboxes):
    """A sample with each of these boxes to be learned."""
    return [
        SOTDataSample(
            gt_instances=InstanceData(bboxes=torch.as_tensor(bbox)[None])
        )
        for bbox in bboxes
    ]
