# Table 11: a search image of 320 px; the region stays the same.
_base_ = './sim_b16.py'

search = dict(size=320)

model = dict(search=search)
