# Table 11: a search image of 320 px; the region stays the same.
_base_ = '../sim_b16_lasot.py'

model = dict(search=dict(size=320))
