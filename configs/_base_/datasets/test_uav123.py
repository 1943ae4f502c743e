# UAV123: 123 sequences, some of them parts of one video.
_base_ = './test_sequences.py'

test_dataloader = dict(
    dataset=dict(type='UAV123Dataset', data_root='data/uav123')
)
test_evaluator = dict(benchmark='uav123', profile='stark')
