# The official code's schedule where GOT-10k is the only training set.
_base_ = './adamw_500e.py'

train_cfg = dict(max_epochs=50, val_interval=10)
param_scheduler = dict(milestones=[40])
