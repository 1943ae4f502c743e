# Sim-B/16 from SLIP (Table 5).
_base_ = './sim_b16_deit_lasot.py'

model = dict(
    backbone=dict(
        init_cfg=dict(
            # no hash is published
            checkpoint='timm+https://dl.fbaipublicfiles.com/slip/'
            'slip_base_100ep.pt',
        ),
    )
)
