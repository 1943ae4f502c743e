# A tracker for real video, trained on pictures and short videos on two CPU
# cores (ours). Phase 1: all layers learn at first, since the fresh position
# layers sit before them; see MODEL_CARD.md for the phases.
_base_ = [
    '../_base_/models/sim_s16-6l.py',
    '../_base_/datasets/train_stills.py',
    '../_base_/datasets/test_got10k.py',
    '../_base_/default_runtime.py',
]

# boxes are corrected by what the first one shows, small changes of their
# sizes, which are mostly noise, count for a fifth, and corners near those of
# a square as large as the former box are preferred; see LostRule for the rest
model = dict(
    test_cfg=dict(
        calibrate=True,
        size_smoothing=0.8,
        window='hann',
        lost=dict(share=0.75, rate=0.1, growth=1.1, limit=1.5),
    )
)

train_dataloader = dict(
    batch_size=32,
    num_workers=1,
    pin_memory=False,
    sampler=dict(num_pairs=6400),
    dataset=dict(
        datasets=[
            dict(
                type='CocoDataset',
                data_root='data/pack_stills',
                split='train',
                masks=True,
            ),
            dict(
                type='CocoDataset',
                data_root='data/bsds500',
                ann_file='instances.json',
                data_prefix='images',
                masks=True,
            ),
            dict(
                type='Got10kDataset', data_root='data/pack_real', split='train'
            ),
            dict(
                type='Got10kDataset',
                data_root='data/pack_plain',
                split='train',
            ),
        ],
        ratios=[58, 10, 26, 6],
    ),
)

train_cfg = dict(type='PairTrainLoop', max_epochs=1)
optim_wrapper = dict(
    optimizer=dict(type='AdamW', lr=1e-3, weight_decay=1e-4),
    clip_grad=dict(max_norm=1.0),
    constructor='mmsimtrack.PretrainedConstructor',
    paramwise_cfg=dict(pretrained_lr_mult=0.1),
)
param_scheduler = dict(
    type='LinearLR', start_factor=0.01, end=100, by_epoch=False
)
default_hooks = dict(
    logger=dict(interval=20),
    checkpoint=dict(interval=1, max_keep_ckpts=2),
    ema=dict(
        type='EMAHook',
        ema_type='MomentumAnnealingEMA',
        momentum=0.001,
        update_buffers=True,
    ),
)
