# OSTrack's schedule where GOT-10k is the only training set.
_base_ = './ostrack_300e.py'

train_cfg = dict(max_epochs=100)
param_scheduler = dict(milestones=[80])
