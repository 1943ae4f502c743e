# Table 10: interaction in blocks 4, 8 and 12 only.
_base_ = '../sim_b16_lasot.py'

model = dict(backbone=dict(interaction_every=4))
test_dataloader = dict(dataset=dict(name='tnl2k'))
test_evaluator = dict(benchmark='tnl2k')
