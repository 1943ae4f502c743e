# Trains sim_t16_real: it learns from its sibling.
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
