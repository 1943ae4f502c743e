# GOT-10k only, as its protocol demands (Sec. 4.1). 60,000 pairs per epoch,
# batch 256 = 32 x 8 GPUs (supplement); the rest as in STARK-S. Validation on
# the same 10,000 pairs each time, without augmentation.
train_dataloader = dict(
    batch_size=32,
    num_workers=10,
    persistent_workers=True,
    pin_memory=True,
    drop_last=True,
    sampler=dict(type='PairSampler', num_pairs=60000),
    collate_fn=dict(type='default_collate'),
    dataset=dict(
        type='PairDataset',
        datasets=[
            dict(type='Got10kDataset', data_root='data/got10k', split='train'),
        ],
        ratios=[1],
        sampling=dict(
            mode='causal', max_gap=200, min_frames=20, min_visible=5
        ),
        # `skip` draws another pair; `reduced` decodes faster, other pixels
        reading=dict(on_corrupt='raise', reduced=False),
        transforms=[
            dict(type='JointGray', prob=0.05),
            dict(type='RandomMirror', prob=0.5, joint=True),
            dict(type='BrightnessJitter', amount=0.2),
            dict(type='RandomMirror', prob=0.5, joint=False),
            dict(type='PackPair'),
        ],
    ),
)

val_dataloader = dict(
    batch_size=32,
    num_workers=10,
    persistent_workers=True,
    pin_memory=True,
    sampler=dict(type='PairSampler', num_pairs=10000),
    collate_fn=dict(type='default_collate'),
    dataset=dict(
        type='PairDataset',
        datasets=[
            dict(type='Got10kDataset', data_root='data/got10k', split='val'),
        ],
        ratios=[1],
        sampling=dict(
            mode='causal', max_gap=200, min_frames=20, min_visible=5
        ),
        transforms=[dict(type='PackPair')],
    ),
)
val_evaluator = dict(type='PairIoU')
val_cfg = dict(type='PairValLoop')
