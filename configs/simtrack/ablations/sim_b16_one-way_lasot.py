# Sec. 4.3: no attention from the exemplar to the search image (69.3 -> 69.1),
# so that the exemplar is computed once per sequence.
_base_ = '../sim_b16_lasot.py'

model = dict(backbone=dict(type='OneWayViT'))
