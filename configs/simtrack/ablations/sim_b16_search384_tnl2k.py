# Table 11: search image of 384 px; the region stays the same.
_base_ = '../sim_b16_tnl2k.py'

search = dict(size=384)

model = dict(search=search)
train_dataloader = dict(dataset=dict(search=search))
