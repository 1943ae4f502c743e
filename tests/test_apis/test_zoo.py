import pytest

from mmsimtrack.apis import find_model, list_models
from mmsimtrack.apis.sot_inferencer import SOTInferencer


def test_names_lead_to_configs():
    names = list_models()
    assert {'sim_b16_lasot', 'sim_s16-6l_real'} <= set(names)
    for name in names:
        config, weights = find_model(name)
        assert config.is_file()
        assert weights is None or weights.is_file()


def test_weights_that_come_with_the_package():
    assert set(list_models(weights=True)) < set(list_models())


@pytest.mark.parametrize('call', [find_model, SOTInferencer])
def test_unknown_names(call):
    message = "'sim_b16_laso' is no model of the zoo.* sim_b16_lasot or"
    with pytest.raises(ValueError, match=message):
        call('sim_b16_laso')
