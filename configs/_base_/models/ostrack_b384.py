# OSTrack-384: larger crops.
_base_ = './ostrack_b256.py'

model = dict(
    exemplar=dict(size=192),
    search=dict(size=384, factor=5),
    train_cfg=dict(jitter=dict(center=4.5, scale=0.5)),
)
