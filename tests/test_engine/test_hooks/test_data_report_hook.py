import json
import re
import time

import pytest
import torch
from mmengine.model import BaseModel
from torch.utils.data import Dataset

from mmsimtrack.structures import SOTDataSample

WAIT, STEP = 0.03, 0.01  # seconds


class Slow(Dataset):
    """Items that take their time; the second met corrupt frames."""

    def __init__(self, num_corrupt):
        self.num_corrupt = num_corrupt

    def __len__(self):
        return 4

    def __getitem__(self, i):
        time.sleep(WAIT)
        metainfo = dict(num_corrupt=self.num_corrupt if i == 1 else 0)
        return {'data_samples': SOTDataSample(metainfo=metainfo)}


class Quick(BaseModel):
    def __init__(self):
        super().__init__()
        self.scale = torch.nn.Parameter(torch.ones(1))

    def forward(self, data_samples, mode='tensor'):
        time.sleep(STEP)
        return {'loss': self.scale.sum()}


@pytest.fixture
def train(tmp_path, make_trainer):
    """A function that trains two epochs; gives the log and its scalars."""

    def _train(num_corrupt=0):
        hooks = dict(
            logger=dict(type='LoggerHook', interval=1),
            data_report=dict(type='DataReportHook'),
            checkpoint=None,
        )
        items = Slow(num_corrupt), 2, 'pseudo'
        make_trainer(tmp_path, Quick(), *items, default_hooks=hooks).train()
        (log,) = tmp_path.glob('*/*.log')
        (scalars,) = tmp_path.glob('*/vis_data/scalars.json')
        rows = [json.loads(row) for row in scalars.read_text().splitlines()]
        return log.read_text(), rows

    return _train


def test_share_of_waiting(train):
    log, rows = train()
    shares = [row['data_share'] for row in rows]
    assert len(shares) == 8
    # 0.03 s of waiting in a step of 0.04 s, less where the machine is busy
    assert all(0.3 < share <= 0.78 for share in shares)
    # mmengine logs the means of as many steps, up to 10
    for row in rows:
        expected = row['data_time'] / row['time']
        assert row['data_share'] == pytest.approx(expected)
    assert len(re.findall(r'data_share: 0\.\d{4}', log)) == 8
    assert 'corrupt' not in log


def test_pairs_that_were_drawn_again(train):
    log, _ = train(num_corrupt=3)
    for epoch in (1, 2):
        assert f'In epoch {epoch}, 3 pairs were drawn again because' in log
