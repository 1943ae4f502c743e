# Training on single pictures with COCO boxes (and outlines, where there are
# any): both views of a pair are warps of one picture. Ours, not the paper's.
train_dataloader = dict(
    batch_size=32,
    num_workers=2,
    persistent_workers=True,
    pin_memory=True,
    drop_last=True,
    sampler=dict(type='PairSampler', num_pairs=32000),
    collate_fn=dict(type='default_collate'),
    dataset=dict(
        type='PairDataset',
        datasets=[
            dict(
                type='CocoDataset',
                data_root='data/photos',
                ann_file='instances.json',
                data_prefix='images',
                masks=True,
            ),
        ],
        ratios=[1],
        # of videos, if any are added
        sampling=dict(
            mode='interval', max_gap=30, min_frames=2, min_visible=2
        ),
        reading=dict(on_corrupt='raise', reduced=False),
        warp=dict(
            still=dict(
                exemplar=dict(
                    rotation=6, aspect=0.1, scale=0.06, perspective=0.05
                ),
                search=dict(
                    rotation=10,
                    aspect=0.3,
                    scale=0.06,
                    perspective=0.08,
                    mirror=0.05,
                ),
            ),
            video=dict(
                exemplar=dict(rotation=2, aspect=0.05, scale=0.05),
                search=dict(rotation=2, aspect=0.05),
            ),
            border=dict(reflect=0.2, background=0.6, black=0.2),
        ),
        transforms=[
            dict(type='ExchangeBackground', prob=0.3),
            dict(type='PasteObject', occluder=0.15, distractor=0.3),
            dict(type='RandomMirror', prob=0.5, joint=True),
            dict(type='JointGray', prob=0.1),
            dict(type='JointGamma', prob=0.4, largest=2.5),
            dict(
                type='ColorJitter',
                prob=dict(exemplar=0.8, search=0.8),
                amount=0.35,
            ),
            dict(
                type='Coarsen', prob=dict(exemplar=0.2, search=0.3), factor=3
            ),
            dict(
                type='Blur',
                prob=dict(exemplar=0.1, search=0.3),
                length=0.1,
                sigma=0.015,
            ),
            dict(
                type='SensorNoise',
                prob=dict(exemplar=0.1, search=0.1),
                sigma=10,
            ),
            dict(
                type='JpegNoise',
                prob=dict(exemplar=0.1, search=0.25),
                quality=(30, 80),
            ),
            dict(type='PackPair'),
        ],
    ),
)
val_dataloader = val_evaluator = val_cfg = None
