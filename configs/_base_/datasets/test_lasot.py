# LaSOT test: 280 sequences.
test_dataloader = dict(
    batch_size=1,
    num_workers=0,
    sampler=dict(type='DefaultSampler', shuffle=False, round_up=False),
    collate_fn=dict(type='pseudo_collate'),
    dataset=dict(
        type='LaSOTDataset',
        data_root='data/lasot',
        split='test',
        test_mode=True,
    ),
)
test_evaluator = dict(type='OPEMetric', benchmark='lasot', profile='stark')
test_cfg = dict(type='SequenceTestLoop')
