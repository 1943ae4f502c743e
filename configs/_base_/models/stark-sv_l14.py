# The baseline STARK-SV (Sec. 3.1, Table 4): a Siamese ViT-L/14, then the
# transformer of STARK-S. Crops and weights as in Sim-L/14.
_base_ = ['./sim_l14.py', './stark_transformer.py']

vit = {k: v for k, v in _base_.model.backbone.items() if k != 'tokenizer'}
model = dict(
    backbone=dict(
        _delete_=True,
        type='Siamese',
        features=dict(
            vit,
            type='mmpretrain.VisionTransformer',
            out_type='featmap',
            interpolate_mode='bilinear',
        ),
        interaction=_base_.interaction,
    ),
)
