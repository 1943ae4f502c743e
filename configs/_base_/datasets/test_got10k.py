# GOT-10k test: 180 sequences with their first box only; the results go to
# the server. `split='val'` is scored here.
_base_ = './test_sequences.py'

test_dataloader = dict(dataset=dict(type='Benchmark', name='got10k'))
test_evaluator = dict(benchmark='got10k')
