# LaSOT-ext: 150 sequences of classes that are not in LaSOT.
_base_ = './test_sequences.py'

test_dataloader = dict(
    dataset=dict(type='LaSOTDataset', data_root='data/lasot_ext', split='ext')
)
test_evaluator = dict(benchmark='lasot_ext', profile='official')
