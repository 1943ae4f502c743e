# Sim-B/16 from DeiT (Table 5): a ViT without CLIP's peculiarities.
_base_ = './sim_b16.py'

model = dict(
    backbone=dict(
        pre_norm=False,
        norm_cfg=dict(eps=1e-6),
        layer_cfgs=dict(act_cfg=dict(type='GELU')),
        init_cfg=dict(
            # torch hub's convention: the name holds the start of the sha256
            checkpoint='timm+https://dl.fbaipublicfiles.com/deit/'
            'deit_base_patch16_224-b5f2ef4d.pth#sha256=b5f2ef4d',
        ),
    )
)
