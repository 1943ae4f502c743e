# TrackingNet test: 511 sequences with their first box only; the results
# go to the server.
_base_ = './test_sequences.py'

test_dataloader = dict(
    dataset=dict(
        type='TrackingNetDataset', data_root='data/trackingnet', split='test'
    )
)
test_evaluator = dict(benchmark='trackingnet', profile='trackingnet')
