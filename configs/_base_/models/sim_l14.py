# Sim-L/14 (Sec. 4.1): a smaller exemplar to save computation.
_base_ = './sim_b16.py'

model = dict(
    exemplar=dict(size=84, factor=1.5),
    backbone=dict(
        arch=dict(
            embed_dims=1024,
            num_layers=24,
            num_heads=16,
            feedforward_channels=4096,
        ),
        patch_size=14,
        tokenizer=dict(foveal_size=42),
        init_cfg=dict(
            checkpoint='clip+https://openaipublic.azureedge.net/clip/models/'
            'b8cca3fd41ae0c99ba7e8951adf17d267cdb84cd88be6f7c2e0eca1737a03836/'
            'ViT-L-14.pt',
        ),
    ),
)
