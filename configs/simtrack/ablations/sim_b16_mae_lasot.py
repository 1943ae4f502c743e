# Sim-B/16 from MAE (Table 5).
_base_ = './sim_b16_deit_lasot.py'

model = dict(
    backbone=dict(
        init_cfg=dict(
            # facebookresearch/mae: README.md gives six digits
            checkpoint='timm+https://dl.fbaipublicfiles.com/mae/pretrain/'
            'mae_pretrain_vit_base.pth#md5=8cad7c',
        ),
    )
)
