# Table 9: one decoder layer after the backbone, of the width of STARK-S's.
_base_ = '../sim_b16_tnl2k.py'

model = dict(
    backbone=dict(
        decoder=dict(num_layers=1, embed_dims=256, num_heads=8, dropout=0.1)
    )
)
