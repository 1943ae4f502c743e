_base_ = [
    '../_base_/models/ostrack_b256.py',
    '../_base_/datasets/train_full.py',
    '../_base_/datasets/test_lasot.py',
    '../_base_/schedules/ostrack_300e.py',
    '../_base_/default_runtime.py',
]
