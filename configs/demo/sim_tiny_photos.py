# The demo's model, trained on with sequences generated from photos:
# tools/dataset_converters/generate_sequences.py with --photos and --coco. From
# scratch the same network needs 3,000 steps of these to leave the mean box.
_base_ = './sim_tiny_generated.py'
data_root = 'data/photos'
load_from = 'work_dirs/demo/epoch_6.pth'

# 20 epochs of 160 steps of 32 pairs = 3,200 steps
train_dataloader = dict(
    dataset=dict(
        datasets=[
            dict(type='Got10kDataset', data_root=data_root, split='train')
        ],
    ),
)
test_dataloader = dict(dataset=dict(data_root=data_root))

train_cfg = dict(max_epochs=20)
optim_wrapper = dict(optimizer=dict(lr=5e-4))
param_scheduler = [
    dict(type='LinearLR', start_factor=0.01, end=100, by_epoch=False),
    dict(
        type='CosineAnnealingLR',
        begin=100,
        end=3200,
        T_max=3100,
        eta_min=1e-6,
        by_epoch=False,
    ),
]
