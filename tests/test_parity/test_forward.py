"""Our network with converted weights answers as the official one does.

Both ways: as released, and with the foveal position of Eq. (7), the paper's.
"""

import gc
import os
from concurrent.futures import ThreadPoolExecutor
from functools import partial

import numpy as np
import pytest
import torch

from .networks import answer, build, case_inputs, converted_weights
from .recipes import PARITY, load_json, to_cxcywh

FORWARD = load_json('forward.json')
KEYS = {
    'paper': ('boxes_cxcywh_eq7_fovea', 'search_proj_eq7_fovea'),
    'released': ('boxes_cxcywh', 'search_proj'),
}
DTYPES = [torch.float32, torch.float64]
BOX_TOLERANCE = {torch.float32: 3e-5, torch.float64: 1e-9}
# float64 is compared with what was stored as float32
TOLERANCE = {
    'search_tokens': 1e-4,
    'search_token_mean': 1e-4,
    'search_token_l2': 1e-4,
    'search_proj': 1e-3,
    'score': 5e-4,
    'prob': 5e-5,
    'sequence': 1e-4,
}
HALF_ULP = dict(rtol=2**-24, atol=1e-9)


@pytest.fixture(scope='module', params=FORWARD)
def key(request):
    return request.param


@pytest.fixture(scope='module')
def answers(key):
    """{(way, dtype, case): (boxes, fields)} of a model, reduced.

    The weights are made once; they and the models are gone when this returns.
    """
    entry = FORWARD[key]
    weights = converted_weights(entry['model']['weights'])
    cases = [c for c in entry['cases'] if _has_inputs(c)]
    found = {}
    for way, (boxes, _) in KEYS.items():
        if not any(boxes in case for case in cases):
            continue
        model = build(key, entry['model'], way)
        # without a copy; the float64 model below has its own
        model.load_state_dict(weights, strict=True, assign=True)
        for dtype in DTYPES:
            model = model.to(dtype)
            ask = partial(_ask, model, entry, way, dtype)
            # a large network takes long in float64: one picture will do
            large = dtype == torch.float64 and entry['model']['width'] > 500
            asked = cases[:1] if large else cases
            # torch itself runs in one thread here, see tests/conftest.py
            with ThreadPoolExecutor(os.cpu_count()) as pool:
                for case, result in zip(asked, pool.map(ask, asked)):
                    found[way, dtype, case['name']] = result
        del model, ask
        gc.collect()  # modules refer to each other; up to 2.5 GB
    return found


def _ask(model, entry, way, dtype, case):
    inputs = case_inputs(case, entry['model'], dtype)
    bboxes, fields = answer(model, inputs)
    return bboxes, _reduce(fields, entry, case['name'], way)


def _has_inputs(case):
    return 'image' not in case or (PARITY / case['image']['file']).exists()


def _reduce(fields, entry, case, way):
    """{name: (found, expected)} for the arrays of one case."""
    path = PARITY / entry['file']
    if not path.exists():
        return {}
    tokens = fields['search_tokens']
    channels = tokens.shape[-1]
    mix = np.random.RandomState(77).standard_normal((channels, 8))
    fields[KEYS[way][1]] = tokens @ mix.astype(np.float32)
    fields['search_token_mean'] = tokens.mean(-1)
    fields['search_token_l2'] = np.linalg.norm(tokens, axis=-1)
    pairs = {}
    with np.load(path) as arrays:
        for full_name in arrays:
            of_case, name = full_name.split('/')
            if of_case != case or not _belongs(name, way):
                continue
            expected, value = arrays[full_name], fields[name]
            if name.startswith(('seq_', 'block')):
                value = _released_order(value, entry['model']['tokens'])
            if value.ndim == 3:
                # of large models, not all channels are stored
                value = value[..., :: value.shape[-1] // expected.shape[-1]]
            pairs[name] = (value[: len(expected)].copy(), expected)
    return pairs


def _belongs(name, way):
    """The paper's way has boxes and projections only."""
    if way == 'paper':
        return name == KEYS['paper'][1]
    return name != KEYS['paper'][1]


def _released_order(tokens, sizes):
    """Exemplar, foveal, class, search -> exemplar, class, search, foveal."""
    n, f = sizes['template'], sizes['foveal']
    parts = tokens[:, :n], tokens[:, n + f :], tokens[:, n : n + f]
    return np.concatenate(parts, axis=1)


def _kind(name):
    """The entry of `TOLERANCE` for a field."""
    if name.startswith(('seq_', 'block', 'bottleneck')):
        return 'sequence'
    for kind in ('score', 'prob', 'search_proj'):
        if name.startswith(kind):
            return kind
    return name


@pytest.mark.parametrize('dtype', DTYPES, ids=['float32', 'float64'])
@pytest.mark.parametrize('way', KEYS)
def test_boxes(key, answers, way, dtype):
    compared = 0
    for case in FORWARD[key]['cases']:
        found = answers.get((way, dtype, case['name']))
        if found is None:
            continue
        expected = torch.tensor(case[KEYS[way][0]], dtype=dtype)
        torch.testing.assert_close(
            to_cxcywh(found[0]), expected, rtol=0, atol=BOX_TOLERANCE[dtype]
        )
        compared += 1
    if not compared:
        pytest.skip(f'{key} has no boxes in this way')


@pytest.mark.parametrize('dtype', DTYPES, ids=['float32', 'float64'])
@pytest.mark.parametrize('kind', TOLERANCE)
def test_values_on_the_way(key, answers, kind, dtype):
    compared = 0
    for (_, of_dtype, case), (_, fields) in answers.items():
        for name, (found, expected) in fields.items():
            if _kind(name) != kind or of_dtype != dtype:
                continue
            assert found.shape == expected.shape, (case, name)
            limits = dict(rtol=0, atol=TOLERANCE[kind])
            if dtype == torch.float64:
                limits = HALF_ULP
            np.testing.assert_allclose(
                found, expected, **limits, err_msg=f'{case}/{name}'
            )
            compared += 1
    if not compared:
        pytest.skip(f'{FORWARD[key]["file"]} is not in {PARITY}')


def test_every_stored_array_is_compared(key, answers):
    path = PARITY / FORWARD[key]['file']
    if not path.exists():
        pytest.skip(f'{path} is not here')
    with np.load(path) as arrays:
        stored = set(arrays)
    compared = {
        f'{case}/{name}'
        for (_, dtype, case), (_, fields) in answers.items()
        for name in fields
        if dtype == torch.float32
    }
    assert compared == stored


def test_the_two_ways_differ(key, answers):
    """Else their tests would show nothing about `as_released`."""
    for (way, dtype, case), (bboxes, _) in answers.items():
        if way == 'paper':
            other, _ = answers['released', dtype, case]
            assert (bboxes - other).abs().max() > 1e-4
