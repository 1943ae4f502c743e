# Table 11: search image of 320 px; the region stays the same.
_base_ = '../sim_b16_tnl2k.py'

search = dict(size=320)

model = dict(search=search)
train_dataloader = dict(dataset=dict(search=search))
