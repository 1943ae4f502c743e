"""The weights are those that the fixtures were made with."""

import math

import numpy as np
import pytest

from .recipes import load_json, recipe_weights

WEIGHTS = load_json('weights.json')


def num_values(key):
    return sum(math.prod(t['shape']) for t in WEIGHTS[key]['tensors'])


# the boxes show it for the large ones
@pytest.mark.parametrize('key', [k for k in WEIGHTS if num_values(k) < 1e7])
def test_weights(key):
    weights = recipe_weights(key)
    for tensor in WEIGHTS[key]['tensors']:
        value = weights[tensor['name']].numpy().astype(np.float64)
        assert list(value.shape) == tensor['shape']
        limits = dict(rel=1e-6, abs=1e-6)
        assert value.sum() == pytest.approx(tensor['sum'], **limits)
        assert np.linalg.norm(value) == pytest.approx(tensor['l2'], **limits)
        np.testing.assert_allclose(
            value.ravel()[:3], tensor['first'], rtol=1e-6
        )
