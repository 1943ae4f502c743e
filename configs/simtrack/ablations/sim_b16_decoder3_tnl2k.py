# Table 9: 3 decoder layers after the backbone.
_base_ = '../sim_b16_tnl2k.py'

model = dict(backbone=dict(decoder=dict(num_layers=3)))
