# For weights of the official code, where it departs from the paper.
_base_ = '../sim_b16_lasot.py'

model = dict(backbone=dict(tokenizer=dict(as_released=True)))
# else it would be that of the config of the same name
work_dir = 'work_dirs/official_sim_b16_lasot'
