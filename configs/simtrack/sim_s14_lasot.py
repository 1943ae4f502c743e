_base_ = [
    '../_base_/models/sim_s14.py',
    '../_base_/datasets/train_full.py',
    '../_base_/datasets/test_lasot.py',
    '../_base_/schedules/adamw_500e.py',
    '../_base_/default_runtime.py',
]
