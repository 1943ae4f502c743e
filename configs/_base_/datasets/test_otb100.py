# OTB-100: 100 sequences, some of them parts of a video, or two of one.
_base_ = './test_sequences.py'

test_dataloader = dict(
    dataset=dict(type='OTB100Dataset', data_root='data/otb100')
)
test_evaluator = dict(benchmark='otb100', profile='pytracking')
