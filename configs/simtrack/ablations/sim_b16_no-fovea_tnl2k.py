# Table 8, '+PosEm': the target position embedding, no foveal window.
_base_ = '../sim_b16_lasot.py'

model = dict(backbone=dict(tokenizer=dict(foveal_size=0)))
test_dataloader = dict(dataset=dict(name='tnl2k'))
test_evaluator = dict(benchmark='tnl2k')
