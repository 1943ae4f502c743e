# Sim-B/16 (Sec. 4.1). Sizes in pixels; factor = side of the crop over
# sqrt(w * h) of the target.
model = dict(
    type='SOTTracker',
    exemplar=dict(size=112, factor=2),
    search=dict(size=224, factor=4),
    # displaces the search crop; center 3.5 at factor 4, as released
    train_cfg=dict(jitter=dict(center=3.5, scale=0.5)),
    clip_margin=10,  # as released
    data_preprocessor=dict(
        type='SOTDataPreprocessor',
        # ImageNet statistics, as released, although the weights are CLIP's
        mean=[123.675, 116.28, 103.53],
        std=[58.395, 57.12, 57.375],
    ),
    backbone=dict(
        type='JointViT',
        arch=dict(
            embed_dims=768,
            num_layers=12,
            num_heads=12,
            feedforward_channels=3072,
        ),
        patch_size=16,
        tokenizer=dict(foveal_size=64),
        # CLIP's ViT: LayerNorm before the layers (and a projection
        # without bias), its eps, QuickGELU
        pre_norm=True,
        norm_cfg=dict(type='LN', eps=1e-5),
        layer_cfgs=dict(act_cfg=dict(type='mmpretrain.QuickGELU')),
        init_cfg=dict(
            type='Pretrained',
            checkpoint='clip+https://openaipublic.azureedge.net/clip/models/'
            '5806e77cd80f8b59890b7e101eabd078d9fb84e6937f9e85e4ecb61988df416f/'
            'ViT-B-16.pt',
        ),
    ),
    head=dict(
        type='CornerHead',
        channels=256,  # STARK-S
        # Eq. (3), weights from the supplement
        loss_iou=dict(type='mmdet.GIoULoss', loss_weight=2.0),
        loss_bbox=dict(type='mmdet.L1Loss', loss_weight=5.0),
    ),
)
