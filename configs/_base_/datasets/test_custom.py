# Videos of your own: data/custom/<sequence>/*.jpg and groundtruth.txt there;
# docs/en/customize_dataset.md lists other layouts.
_base_ = './test_sequences.py'

test_dataloader = dict(
    dataset=dict(type='FolderDataset', data_root='data/custom')
)
test_evaluator = dict(benchmark='custom', profile='stark')
