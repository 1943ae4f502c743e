# GOT-10k test: 180 sequences with their first box only; the results go to
# the server. `split='val'` is scored here.
test_dataloader = dict(
    batch_size=1,
    num_workers=0,
    sampler=dict(type='DefaultSampler', shuffle=False, round_up=False),
    collate_fn=dict(type='pseudo_collate'),
    dataset=dict(
        type='Got10kDataset',
        data_root='data/got10k',
        split='test',
        test_mode=True,
    ),
)
test_evaluator = dict(type='OPEMetric', benchmark='got10k', profile='got10k')
test_cfg = dict(type='SequenceTestLoop')
