# The demo's network, trained longer, on sequences generated from photos:
# tools/dataset_converters/generate_sequences.py with --photos and --coco.
_base_ = './sim_tiny_generated.py'
data_root = 'data/photos'

# 45 epochs of 160 steps of 32 pairs = 7,200 steps
train_dataloader = dict(
    dataset=dict(
        datasets=[
            dict(type='Got10kDataset', data_root=data_root, split='train')
        ],
    ),
)
test_dataloader = dict(dataset=dict(data_root=data_root))

train_cfg = dict(max_epochs=45)
param_scheduler = [
    dict(type='LinearLR', start_factor=0.01, end=100, by_epoch=False),
    dict(
        type='CosineAnnealingLR',
        begin=100,
        end=7200,
        T_max=7100,
        eta_min=1e-6,
        by_epoch=False,
    ),
]
