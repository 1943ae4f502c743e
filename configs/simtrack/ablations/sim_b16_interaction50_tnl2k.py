# Table 10: interaction in blocks 2, 4, 6, 8, 10 and 12 only.
_base_ = '../sim_b16_tnl2k.py'

model = dict(backbone=dict(interaction_every=2))
