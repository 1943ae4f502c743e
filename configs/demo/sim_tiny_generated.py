# The quick start: a small SimTrack, trained from scratch in minutes on two
# CPU cores, on sequences of tools/dataset_converters/generate_sequences.py.
_base_ = [
    '../_base_/models/sim_tiny.py',
    '../_base_/datasets/train_got10k.py',
    '../_base_/datasets/test_sequences.py',
    '../_base_/default_runtime.py',
]
data_root = 'data/demo'

# 6 epochs of 160 steps of 32 pairs = 960 steps
train_dataloader = dict(
    num_workers=1,
    pin_memory=False,
    sampler=dict(num_pairs=5120),
    dataset=dict(
        datasets=[
            dict(type='Got10kDataset', data_root=data_root, split='train')
        ],
        sampling=dict(min_frames=2, min_visible=2),
        transforms=[
            dict(type='JointGray', prob=0.05),
            # few textures must go far, but exemplar and search stay alike:
            # the views are never mirrored against each other
            dict(type='JointChannelPermutation'),
            dict(type='JointTranspose', prob=0.5),
            dict(type='RandomMirror', prob=0.5, joint=True),
            dict(type='BrightnessJitter', amount=0.2),
            dict(type='PackPair'),
        ],
    ),
)
val_dataloader = val_evaluator = val_cfg = None
test_dataloader = dict(
    dataset=dict(type='Got10kDataset', data_root=data_root, split='val')
)
test_evaluator = dict(benchmark='custom')

train_cfg = dict(type='PairTrainLoop', max_epochs=6)
optim_wrapper = dict(
    optimizer=dict(type='AdamW', lr=1e-3, weight_decay=1e-4),
    clip_grad=dict(max_norm=1.0),
)
param_scheduler = [
    dict(type='LinearLR', start_factor=0.01, end=100, by_epoch=False),
    dict(
        type='CosineAnnealingLR',
        begin=100,
        end=960,
        T_max=860,
        eta_min=1e-6,
        by_epoch=False,
    ),
]
default_hooks = dict(
    logger=dict(interval=20), checkpoint=dict(max_keep_ckpts=2)
)
