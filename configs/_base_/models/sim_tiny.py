# A SimTrack for two CPU cores, trained from scratch: ViT of width 128 with 4
# layers. The crops are small in pixels, and smaller than the paper's in units
# of the target, so that there are enough pixels on it.
_base_ = './sim_b16.py'

model = dict(
    exemplar=dict(size=64, factor=1.5),
    search=dict(size=128, factor=3),
    # the search crop is smaller than the paper's, and targets are slow
    train_cfg=dict(jitter=dict(center=2.0, scale=0.25)),
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
