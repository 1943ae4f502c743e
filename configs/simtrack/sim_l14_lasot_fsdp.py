# Sim-L/14 with parameters, gradients and optimizer states sharded over the
# GPUs. Untested on GPUs. It trains only, without validation; its checkpoints
# are written in place, and tested with sim_l14_lasot.py.
_base_ = './sim_l14_lasot.py'

runner_type = 'FlexibleRunner'
strategy = dict(
    type='mmsimtrack.engine.fsdp.ResumableFSDPStrategy',
    state_dict_cfg='full',
)
optim_wrapper = dict(type='FSDPOptimWrapper')
model = dict(backbone=dict(with_cp=True))
val_dataloader = val_evaluator = val_cfg = None
