# Trains sim_t16_real: it learns from its sibling, whose weights it begins with
# a part of. The rate is constant for 47 epochs of 200 steps, then it falls.
_base_ = './sim_t16_real.py'

model = dict(
    type='DistilledTracker',
    teacher=dict(
        config='configs/simtrack/sim_s16-6l_real.py',
        checkpoint='mmsimtrack/checkpoints/sim_s16-6l_real.safetensors',
    ),
    loss_feature=dict(loss_weight=1.0),
    head=dict(loss_heatmap=dict(loss_weight=1.0)),
)
train_cfg = dict(max_epochs=65)
optim_wrapper = dict(optimizer=dict(lr=7e-4))
param_scheduler = [
    dict(type='LinearLR', start_factor=0.01, begin=0, end=100, by_epoch=False),
    dict(
        type='CosineAnnealingLR',
        begin=9400,
        end=13000,
        T_max=3600,
        eta_min_ratio=0.001,
        by_epoch=False,
    ),
]
default_hooks = dict(ema=dict(momentum=0.003))
