# The small sibling of sim_s16-6l_real, for browsers and weak CPUs (ours): the
# same layers and crops in half as many channels.
_base_ = './sim_s16-6l_real.py'

model = dict(
    backbone=dict(
        arch=dict(embed_dims=192, num_heads=3, feedforward_channels=768),
        init_cfg=None,
    ),
    test_cfg=dict(lost=dict(share=0.72)),
)
optim_wrapper = dict(paramwise_cfg=dict(pretrained_lr_mult=1.0))
