# Table 8, '+PosEm': the target position embedding, no foveal window.
_base_ = '../sim_b16_tnl2k.py'

model = dict(backbone=dict(tokenizer=dict(foveal_size=0)))
