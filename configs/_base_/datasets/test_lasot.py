# LaSOT test: 280 sequences.
_base_ = './test_sequences.py'

test_dataloader = dict(dataset=dict(type='Benchmark', name='lasot'))
test_evaluator = dict(benchmark='lasot')
