# For weights of the official code, where it departs from the paper.
_base_ = '../sim_b32_lasot.py'

model = dict(backbone=dict(tokenizer=dict(as_released=True)))
