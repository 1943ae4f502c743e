# The quick start's network with OSTrack's head and window: what the head
# alone changes.
_base_ = '../demo/sim_tiny_generated.py'

model = dict(
    test_cfg=dict(window='hann'),
    head=dict(
        _delete_=True,
        type='CenterHead',
        channels=64,
        # from scratch, sizes are learned too late where the score is highest
        learn_at_truth=True,
        loss_score=dict(type='mmdet.GaussianFocalLoss', loss_weight=1.0),
        loss_iou=dict(type='mmdet.GIoULoss', loss_weight=2.0),
        loss_bbox=dict(type='mmdet.L1Loss', loss_weight=5.0),
    ),
)
