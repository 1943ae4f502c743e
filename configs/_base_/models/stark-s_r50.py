# STARK-S with ResNet-50 up to stride 16; its crops are those of Sim-B/32.
_base_ = ['./sim_b32.py', './stark_transformer.py']

model = dict(
    backbone=dict(
        _delete_=True,
        type='Siamese',
        features=dict(
            type='mmpretrain.ResNet',
            depth=50,
            num_stages=3,
            strides=(1, 2, 2),
            dilations=(1, 1, 1),
            out_indices=(2,),
            # STARK-S freezes the first layers and every BatchNorm
            frozen_stages=1,
            norm_eval=True,
            norm_cfg=dict(type='BN', requires_grad=False),
            init_cfg=dict(
                type='Pretrained',
                checkpoint='torchvision+https://download.pytorch.org/models/'
                'resnet50-19c8e357.pth#sha256=19c8e357',
            ),
        ),
        interaction=_base_.interaction,
    ),
)
