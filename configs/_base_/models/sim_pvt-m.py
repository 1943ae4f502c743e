# SimTrack on PVT-Medium (Sec. 4.3, Table 7); crops as in Sim-B/16.
_base_ = './sim_b16.py'

model = dict(
    backbone=dict(
        _delete_=True,
        type='JointPVT',
        num_layers=[3, 4, 18, 3],
        drop_path_rate=0.0,  # none in SimTrack
        # ImageNet-1k; no hash is published
        init_cfg=dict(
            type='Pretrained',
            checkpoint='pvt+https://github.com/whai362/PVT/releases/download/'
            'v2/pvt_medium.pth',
        ),
    ),
)
