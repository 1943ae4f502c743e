# What all tests have in common: items are whole sequences.
test_dataloader = dict(
    batch_size=1,
    num_workers=0,
    sampler=dict(type='DefaultSampler', shuffle=False, round_up=False),
    collate_fn=dict(type='pseudo_collate'),
    dataset=dict(test_mode=True),
)
test_evaluator = dict(type='OPEMetric')
# sequences at a time on each device; fewer where memory is short
test_cfg = dict(type='SequenceTestLoop', num_slots=16)
