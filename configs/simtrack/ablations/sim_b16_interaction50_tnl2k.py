# Table 10: interaction in blocks 2, 4, 6, 8, 10 and 12 only.
_base_ = '../sim_b16_lasot.py'

model = dict(backbone=dict(interaction_every=2))
test_dataloader = dict(dataset=dict(name='tnl2k'))
test_evaluator = dict(benchmark='tnl2k')
