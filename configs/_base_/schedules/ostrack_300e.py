# OSTrack's schedule: batches of 32 on 4 GPUs, 300 epochs, learning rates
# x 0.1 after 240.
_base_ = './adamw_500e.py'

train_cfg = dict(max_epochs=300)
# 4e-5 for the backbone, positions included
optim_wrapper = dict(optimizer=dict(lr=4e-4))
param_scheduler = dict(milestones=[240])
auto_scale_lr = dict(base_batch_size=128)
