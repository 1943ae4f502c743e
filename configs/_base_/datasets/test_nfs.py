# NfS: 100 sequences at 30 frames per second.
_base_ = './test_sequences.py'

test_dataloader = dict(dataset=dict(type='NfSDataset', data_root='data/nfs'))
test_evaluator = dict(benchmark='nfs', profile='pytracking')
