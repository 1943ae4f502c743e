# SimTrack on Swin-B (Sec. 4.3, Table 7); crops as in Sim-B/16.
_base_ = './sim_b16.py'

model = dict(
    backbone=dict(
        _delete_=True,
        type='JointSwin',
        arch='base',
        drop_path_rate=0.0,  # none in SimTrack
        # ImageNet-1k; the paper does not say which weights
        init_cfg=dict(
            type='Pretrained',
            checkpoint='mmpretrain+https://download.openmmlab.com/'
            'mmclassification/v0/swin-transformer/convert/'
            'swin_base_patch4_window7_224-4670dd19.pth#sha256=4670dd19',
        ),
    ),
)
