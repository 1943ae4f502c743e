default_scope = 'mmsimtrack'

default_hooks = dict(
    runtime_info=dict(type='RuntimeInfoHook'),
    timer=dict(type='IterTimerHook'),
    logger=dict(type='LoggerHook', interval=50),
    data_report=dict(type='DataReportHook'),
    param_scheduler=dict(type='ParamSchedulerHook'),
    checkpoint=dict(type='AtomicCheckpointHook', interval=1, max_keep_ckpts=3),
    sampler_seed=dict(type='DistSamplerSeedHook'),
)

custom_hooks = [dict(type='DropoutSeedHook')]

# pairs are drawn from (seed, k); keep the seed when a run is resumed
randomness = dict(seed=0)

env_cfg = dict(
    cudnn_benchmark=True,
    mp_cfg=dict(mp_start_method='fork', opencv_num_threads=0),
    # ranks of a test meet again when the slowest has tracked its sequences
    dist_cfg=dict(backend='nccl', timeout=86400),
)

vis_backends = [dict(type='LocalVisBackend')]
visualizer = dict(type='SOTVisualizer', vis_backends=vis_backends)
log_level = 'INFO'
load_from = None
resume = False
