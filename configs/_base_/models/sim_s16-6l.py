# A SimTrack for CPUs (ours): the first six layers of DINOv2's ViT-S, its
# patches of 14 px resized to 16. Smaller crops than the paper's, in pixels
# and in units of the target.
_base_ = './sim_b16.py'

model = dict(
    exemplar=dict(size=80, factor=1.5),
    search=dict(size=160, factor=3),
    train_cfg=dict(jitter=dict(center=2.0, scale=0.25)),
    backbone=dict(
        arch=dict(
            embed_dims=384,
            num_layers=6,
            num_heads=6,
            feedforward_channels=1536,
        ),
        img_size=128,
        tokenizer=dict(foveal_size=32),
        patch_cfg=dict(bias=True),
        pre_norm=False,
        layer_scale_init_value=1e-5,
        norm_cfg=dict(type='LN', eps=1e-6),
        layer_cfgs=dict(_delete_=True),
        init_cfg=dict(
            checkpoint='dinov2+https://dl.fbaipublicfiles.com/dinov2/'
            'dinov2_vits14/dinov2_vits14_pretrain.pth',
        ),
    ),
    head=dict(
        channels=64,
        upsample=2,
        loss_heatmap=dict(sigma=1.0, loss_weight=0.3),
    ),
)
