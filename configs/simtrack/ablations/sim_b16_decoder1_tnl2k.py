# Table 9: 1 decoder layer after the backbone.
_base_ = '../sim_b16_tnl2k.py'

model = dict(backbone=dict(decoder=dict(num_layers=1)))
