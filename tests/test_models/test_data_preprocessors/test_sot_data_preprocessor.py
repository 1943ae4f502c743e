import pytest
import torch

from mmsimtrack.models import SOTDataPreprocessor
from mmsimtrack.structures import SOTDataSample


@pytest.mark.parametrize('training', [True, False])
def test_normalizes_the_crops_and_only_them(training):
    preprocessor = SOTDataPreprocessor([100, 0, 50], [50, 2, 10])
    inputs = {
        'exemplar': torch.full((2, 3, 4, 4), 150, dtype=torch.uint8),
        'exemplar_bbox': torch.rand(2, 4),
        'search': torch.full((2, 3, 8, 8), 50, dtype=torch.uint8),
    }
    data = {'inputs': inputs, 'data_samples': [SOTDataSample()] * 2}
    result = preprocessor(data, training)
    assert result['inputs']['exemplar'][1, :, 2, 3].tolist() == [1, 75, 10]
    assert result['inputs']['search'][0, :, 0, 0].tolist() == [-1, 25, 0]
    bbox = result['inputs']['exemplar_bbox']
    assert torch.equal(bbox, inputs['exemplar_bbox'])
    assert len(result['data_samples']) == 2


def test_holds_no_weights():
    assert not SOTDataPreprocessor([0] * 3, [1] * 3).state_dict()
