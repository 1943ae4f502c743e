# A SimTrack for two CPU cores, trained from scratch: ViT of width 128 with 4
# layers, half of B/16's sizes.
_base_ = './sim_b16.py'

exemplar = dict(size=64, factor=_base_.exemplar.factor)
search = dict(size=128, factor=_base_.search.factor)

model = dict(
    exemplar=exemplar,
    search=search,
    backbone=dict(
        arch=dict(
            embed_dims=128,
            num_layers=4,
            num_heads=2,
            feedforward_channels=256,
        ),
        img_size=128,
        tokenizer=dict(foveal_size=16),
        init_cfg=None,
    ),
    head=dict(channels=64),
)
