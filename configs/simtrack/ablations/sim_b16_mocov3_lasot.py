# Sim-B/16 from MoCo-v3 (Table 5).
_base_ = './sim_b16_deit_lasot.py'

model = dict(
    backbone=dict(
        init_cfg=dict(
            # no hash is published
            checkpoint='timm+https://dl.fbaipublicfiles.com/moco-v3/vit-b-300ep/'
            'vit-b-300ep.pth.tar',
        ),
    )
)
