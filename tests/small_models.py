"""Configs of networks that several test files build."""

SIMTRACK = dict(
    type='SimTrack',
    exemplar=dict(size=32, factor=2),
    search=dict(size=64, factor=4),
    clip_margin=10,
    data_preprocessor=dict(
        type='SOTDataPreprocessor', mean=[128] * 3, std=[64] * 3
    ),
    backbone=dict(
        type='JointViT',
        arch=dict(
            embed_dims=16, num_layers=2, num_heads=2, feedforward_channels=32
        ),
        patch_size=16,
        img_size=64,
        tokenizer=dict(foveal_size=16),
    ),
    head=dict(
        type='CornerHead',
        channels=16,
        loss_iou=dict(type='mmdet.GIoULoss', loss_weight=2.0),
        loss_bbox=dict(type='mmdet.L1Loss', loss_weight=5.0),
    ),
)
