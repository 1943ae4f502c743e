# Ours: the ViT-S/14 of DINOv2, a quarter of a ViT-B.
_base_ = './sim_b14_dinov2.py'

model = dict(
    backbone=dict(
        arch=dict(embed_dims=384, num_heads=6, feedforward_channels=1536),
        init_cfg=dict(
            checkpoint='dinov2+https://dl.fbaipublicfiles.com/dinov2/'
            'dinov2_vits14/dinov2_vits14_pretrain.pth',
        ),
    )
)
