"""Official files go through the converter's command line."""

import math
import os

import pytest
import torch

from mmsimtrack.cli.main import main

from .networks import build, converter
from .recipes import load_json, recipe_weights

FORWARD = load_json('forward.json')
WEIGHTS = load_json('weights.json')


def num_values(key):
    tensors = WEIGHTS[FORWARD[key]['model']['weights']]['tensors']
    return sum(math.prod(tensor['shape']) for tensor in tensors)


def assert_same(weights, expected):
    assert set(weights) == set(expected)
    for name, tensor in expected.items():
        assert torch.equal(weights[name], tensor), name


# the smallest; `test_forward` converts all, in Python
@pytest.mark.parametrize('key', sorted(FORWARD, key=num_values)[:1])
def test_converted_file_loads_strictly(key, tmp_path):
    sizes = FORWARD[key]['model']
    official = recipe_weights(sizes['weights'])
    src, dst = str(tmp_path / 'src.pth'), str(tmp_path / 'dst.pth')
    torch.save({'net': official}, src)
    assert main(['convert', 'official', src, dst]) == 0
    checkpoint = torch.load(dst, map_location='cpu', weights_only=True)
    os.remove(src)  # hundreds of MB
    os.remove(dst)
    weights, unused = checkpoint['state_dict'], checkpoint['meta']['unused']
    assert_same(unused, {k: official[k] for k in converter.unused})
    assert_same(weights, converter.to_ours(official, src)[0])
    assert_same(converter.to_official(weights, unused, dst), official)
    model = build(key, sizes, 'paper')
    model.load_state_dict(weights, strict=True)
