# Phase 3 of sim_s16-6l_real: the rate decays to zero over 2,800 steps.
_base_ = './sim_s16-6l_real_phase2.py'

load_from = 'work_dirs/sim_s16-6l_real_phase2/epoch_100.pth'

train_cfg = dict(max_epochs=14)
param_scheduler = [
    dict(type='LinearLR', start_factor=0.1, begin=0, end=30, by_epoch=False),
    dict(
        type='CosineAnnealingLR',
        begin=30,
        end=2800,
        T_max=2770,
        eta_min_ratio=0.001,
        by_epoch=False,
    ),
]
default_hooks = dict(ema=dict(momentum=0.002))
