# LaSOT test: 280 sequences.
_base_ = './test_sequences.py'

test_dataloader = dict(
    dataset=dict(type='LaSOTDataset', data_root='data/lasot', split='test')
)
test_evaluator = dict(benchmark='lasot', profile='stark')
