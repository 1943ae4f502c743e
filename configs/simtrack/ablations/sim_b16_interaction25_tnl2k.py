# Table 10: interaction in blocks 4, 8 and 12 only.
_base_ = '../sim_b16_tnl2k.py'

model = dict(backbone=dict(interaction_every=4))
