_base_ = [
    '../_base_/models/ostrack_b256.py',
    '../_base_/datasets/train_got10k.py',
    '../_base_/datasets/test_got10k.py',
    '../_base_/schedules/ostrack_100e.py',
    '../_base_/default_runtime.py',
]
# fewer epochs, so the share of kept tokens falls sooner
model = dict(backbone=dict(elimination=dict(warmup_epochs=50)))
