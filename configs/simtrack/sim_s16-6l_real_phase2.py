# Phase 2 of sim_s16-6l_real: nothing learns up to the third layer.
_base_ = './sim_s16-6l_real.py'

load_from = 'work_dirs/sim_s16-6l_real/epoch_1.pth'

model = dict(backbone=dict(frozen_layers=3, init_cfg=None))
# every 2,000 steps on whole clips, which training never sees: a folder for
# each, with its frames and groundtruth.txt (x,y,w,h a line)
train_cfg = dict(max_epochs=100, val_interval=10)
val_dataloader = dict(
    _delete_=True,
    batch_size=1,
    num_workers=0,
    sampler=dict(type='DefaultSampler', shuffle=False, round_up=False),
    collate_fn=dict(type='pseudo_collate'),
    dataset=dict(
        type='Benchmark', name='custom', data_root='data/clips', test_mode=True
    ),
)
val_evaluator = dict(_delete_=True, type='OPEMetric', benchmark='custom')
val_cfg = dict(_delete_=True, type='SequenceTestLoop', num_slots=4)
