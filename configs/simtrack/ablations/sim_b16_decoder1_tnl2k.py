# Table 9: one decoder layer after the backbone, of the width of STARK-S's.
_base_ = ['../sim_b16_lasot.py', '../../_base_/models/stark_transformer.py']

decoder = dict(_base_.interaction, num_layers=1)
model = dict(backbone=dict(decoder=decoder))
test_dataloader = dict(dataset=dict(name='tnl2k'))
test_evaluator = dict(benchmark='tnl2k')
