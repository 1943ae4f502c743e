import numpy as np
import pytest
from mmengine.logging import MMLogger

from mmsimtrack.apis import find_model, get_model, list_models, zoo
from mmsimtrack.apis.sot_inferencer import SOTInferencer
from mmsimtrack.structures import aligned_iou


def test_names_lead_to_configs():
    names = list_models()
    assert {'sim_b16_lasot', 'sim_s16-6l_real'} <= set(names)
    assert set(list_models(weights=True)) < set(names)
    for name in names:
        config, weights = find_model(name)
        assert config.is_file()
        assert weights is None or weights.is_file()


@pytest.mark.parametrize('call', [find_model, get_model, SOTInferencer])
def test_unknown_names(call):
    message = "'sim_b16_laso' is no model of the zoo.* sim_b16_lasot or"
    with pytest.raises(ValueError, match=message):
        call('sim_b16_laso')


def test_a_tracker_by_name(tmp_path):
    """The shipped tracker follows a bright square over noise."""
    rng = np.random.default_rng(0)
    noise = rng.integers(60, 100, (120, 160, 3), np.uint8)
    frames, bboxes = [], []
    for t in range(4):
        frame = noise.copy()
        x, y = 40 + 4 * t, 40 + 2 * t
        frame[y : y + 24, x : x + 24] = (200, 60, 40)
        frame[y + 6 : y + 18, x + 6 : x + 18] = (40, 60, 200)
        frames.append(frame)
        bboxes.append([x, y, x + 24, y + 24])
    result = SOTInferencer('sim_s16-6l_real', device='cpu')(frames, bboxes[0])
    assert (aligned_iou(result['bboxes'], bboxes) > 0.6).all()


def test_get_model_says_where_there_are_weights(caplog):
    """Shipped weights are loaded; else one learns what to download."""
    model = get_model('sim_s16-6l_real', device='cpu')
    assert not model.training
    assert model.head.top_left[0].weight.abs().sum() > 0
    logger = MMLogger.get_current_instance()
    logger.addHandler(caplog.handler)
    try:
        get_model('sim_tiny_generated', device='cpu')
        assert 'There are no public weights.' in caplog.text
        text = zoo.describe_weights('ostrack_b256_lasot')
        assert 'OSTrack_ep0300.pth.tar by hand from https://drive' in text
        assert 'mmsimtrack convert ostrack_b256_lasot FILE converts' in text
        caplog.clear()
        get_model('sim_s16-6l_real', device='cpu')
        assert 'public weights' not in caplog.text
    finally:
        logger.removeHandler(caplog.handler)
