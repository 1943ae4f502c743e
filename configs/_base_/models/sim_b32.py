# Sim-B/32 (Sec. 4.1): larger crops, since a stride of 32 leaves few tokens.
_base_ = './sim_b16.py'

model = dict(
    exemplar=dict(size=128),
    search=dict(size=320, factor=5),
    train_cfg=dict(jitter=dict(center=4.5)),  # STARK-S's, for factor 5
    backbone=dict(
        patch_size=32,
        init_cfg=dict(
            checkpoint='clip+https://openaipublic.azureedge.net/clip/models/'
            '40d365715913c9da98579312b702a82c18be219cc2a73407c4526f58eba950af/'
            'ViT-B-32.pt',
        ),
    ),
)
