_base_ = [
    '../_base_/models/sim_b16.py',
    '../_base_/datasets/train_got10k.py',
    '../_base_/datasets/test_got10k.py',
    '../_base_/schedules/adamw_500e.py',
    '../_base_/default_runtime.py',
]
