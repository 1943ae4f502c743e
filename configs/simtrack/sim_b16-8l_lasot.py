# Sim-B/16*: without the last four layers (Sec. 4.1).
_base_ = './sim_b16_lasot.py'

model = dict(backbone=dict(arch=dict(num_layers=8)))
