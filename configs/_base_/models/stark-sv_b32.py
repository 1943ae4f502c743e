# The baseline STARK-SV (Sec. 3.1, Table 4): a Siamese ViT-B/32, then the
# transformer of STARK-S. Crops and weights as in Sim-B/32.
_base_ = ['./sim_b32.py', './stark_transformer.py']

vit = _base_.model.backbone
model = dict(
    backbone=dict(
        _delete_=True,
        type='Siamese',
        features=dict(
            type='mmpretrain.VisionTransformer',
            arch=vit.arch,
            patch_size=vit.patch_size,
            pre_norm=vit.pre_norm,
            norm_cfg=vit.norm_cfg,
            layer_cfgs=vit.layer_cfgs,
            init_cfg=vit.init_cfg,
            out_type='featmap',
            interpolate_mode='bilinear',
        ),
        interaction=_base_.interaction,
    ),
)
