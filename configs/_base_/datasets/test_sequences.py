# What all tests have in common: sequences are tracked one by one.
test_dataloader = dict(
    batch_size=1,
    num_workers=0,
    sampler=dict(type='DefaultSampler', shuffle=False, round_up=False),
    collate_fn=dict(type='pseudo_collate'),
    dataset=dict(test_mode=True),
)
test_evaluator = dict(type='OPEMetric')
test_cfg = dict(type='SequenceTestLoop')
