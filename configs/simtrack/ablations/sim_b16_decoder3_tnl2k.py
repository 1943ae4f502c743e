# Table 9: three decoder layers after the backbone.
_base_ = './sim_b16_decoder1_tnl2k.py'

model = dict(backbone=dict(decoder=dict(num_layers=3)))
