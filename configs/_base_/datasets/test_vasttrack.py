# VastTrack test: 3,500 sequences.
_base_ = './test_sequences.py'

test_dataloader = dict(
    dataset=dict(
        type='VastTrackDataset', data_root='data/vasttrack', split='test'
    )
)
test_evaluator = dict(benchmark='vasttrack', profile='official')
