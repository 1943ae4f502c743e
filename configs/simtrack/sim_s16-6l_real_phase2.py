# Phase 2 of sim_s16-6l_real: nothing learns up to the third layer.
_base_ = './sim_s16-6l_real.py'

load_from = 'work_dirs/sim_s16-6l_real/epoch_1.pth'

model = dict(backbone=dict(frozen_layers=3, init_cfg=None))
train_cfg = dict(max_epochs=100)
