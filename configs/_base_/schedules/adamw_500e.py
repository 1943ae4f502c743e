# Training details of the supplement: 500 epochs, learning rates x 0.1 after
# 400, AdamW with weight decay 1e-4; gradient clip 0.1 and validation every
# 20 epochs as in STARK-S.
train_cfg = dict(type='PairTrainLoop', max_epochs=500, val_interval=20)

optim_wrapper = dict(
    optimizer=dict(type='AdamW', lr=1e-4, weight_decay=1e-4),
    clip_grad=dict(max_norm=0.1),
    # 1e-5 for what is pre-trained
    constructor='mmsimtrack.PretrainedConstructor',
    paramwise_cfg=dict(pretrained_lr_mult=0.1),
)

param_scheduler = dict(
    type='MultiStepLR', by_epoch=True, milestones=[400], gamma=0.1
)

# `tools/train.py --auto-scale-lr` scales the learning rates from this batch
auto_scale_lr = dict(base_batch_size=256)
