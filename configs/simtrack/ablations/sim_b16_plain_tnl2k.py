# Table 8, '+Sim': neither target position embedding nor foveal window.
# The exemplar gets the position embedding of the pre-training, resized.
_base_ = '../sim_b16_lasot.py'

model = dict(
    backbone=dict(tokenizer=dict(foveal_size=0, target_position=False))
)
test_dataloader = dict(dataset=dict(name='tnl2k'))
test_evaluator = dict(benchmark='tnl2k')
