# Ours: the ViT-B/14 of DINOv2 at the sizes of the paper, of which 224 and 112
# are multiples of 14 as well.
_base_ = './sim_b16_deit.py'

model = dict(
    backbone=dict(
        patch_size=14,
        layer_scale_init_value=1e-5,
        tokenizer=dict(foveal_size=56),  # a multiple of the patch
        init_cfg=dict(
            # no hash is published
            checkpoint='dinov2+https://dl.fbaipublicfiles.com/dinov2/'
            'dinov2_vitb14/dinov2_vitb14_pretrain.pth',
        ),
    )
)
