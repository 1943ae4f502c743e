# TNL2K test: 700 sequences.
_base_ = './test_sequences.py'

test_dataloader = dict(
    dataset=dict(type='TNL2KDataset', data_root='data/tnl2k', split='test')
)
test_evaluator = dict(benchmark='tnl2k', profile='stark')
