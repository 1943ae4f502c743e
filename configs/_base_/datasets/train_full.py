# The training splits of LaSOT, GOT-10k, COCO 2017 and TrackingNet, 1:1:1:1
# (Sec. 4.1); all else as in train_got10k.py. Validation on what the training
# leaves out of GOT-10k's training split.
_base_ = './train_got10k.py'

train_dataloader = dict(
    dataset=dict(
        datasets=[
            dict(type='LaSOTDataset', data_root='data/lasot', split='train'),
            dict(
                type='Got10kDataset',
                data_root='data/got10k',
                split='vottrain',
            ),
            dict(type='CocoDataset', data_root='data/coco', split='train'),
            dict(
                type='TrackingNetDataset',
                data_root='data/trackingnet',
                split='train',
            ),
        ],
        ratios=[1, 1, 1, 1],
    )
)
val_dataloader = dict(
    dataset=dict(
        datasets=[
            dict(
                type='Got10kDataset', data_root='data/got10k', split='votval'
            ),
        ]
    )
)
