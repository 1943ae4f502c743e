# OSTrack-256, as released. Sizes in pixels; factor = side of the crop over
# sqrt(w * h) of the target.
model = dict(
    type='SOTTracker',
    exemplar=dict(size=128, factor=2),
    search=dict(size=256, factor=4),
    # displaces the search crop
    train_cfg=dict(jitter=dict(center=3, scale=0.25)),
    test_cfg=dict(window='hann'),
    clip_margin=10,
    data_preprocessor=dict(
        type='SOTDataPreprocessor',
        mean=[123.675, 116.28, 103.53],
        std=[58.395, 57.12, 57.375],
    ),
    backbone=dict(
        type='OSTrackViT',
        arch=dict(
            embed_dims=768,
            num_layers=12,
            num_heads=12,
            feedforward_channels=3072,
        ),
        patch_size=16,
        drop_path_rate=0.1,
        # after blocks 3, 6 and 9, counted from 0; None: no elimination
        elimination=dict(
            blocks=(3, 6, 9),
            keep_ratio=0.7,
            template_tokens='center',
            start_epoch=20,
            warmup_epochs=80,
        ),
        init_cfg=dict(
            type='Pretrained',
            # facebookresearch/mae: README.md gives six digits
            checkpoint='timm+https://dl.fbaipublicfiles.com/mae/pretrain/'
            'mae_pretrain_vit_base.pth#md5=8cad7c',
        ),
    ),
    head=dict(
        type='CenterHead',
        channels=256,
        loss_score=dict(type='mmdet.GaussianFocalLoss', loss_weight=1.0),
        loss_iou=dict(type='mmdet.GIoULoss', loss_weight=2.0),
        loss_bbox=dict(type='mmdet.L1Loss', loss_weight=5.0),
    ),
)
