"""What the parity fixtures are made of: weights, images, sequences.

`MMSIMTRACK_PARITY` may name a folder with other fixtures of the same layout.
"""

import json
import math
import os
import zlib
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch

ROOT = Path(__file__).parents[2]
# all fixtures lie beside the repository, the small ones in it
SHIPPED = ROOT / 'tests/data/parity'
PARITY = ROOT.parent / 'shared/parity'
if 'MMSIMTRACK_PARITY' in os.environ:
    PARITY = Path(os.environ['MMSIMTRACK_PARITY']).resolve(strict=True)

MEAN = torch.tensor([0.485, 0.456, 0.406])[:, None, None]
STD = torch.tensor([0.229, 0.224, 0.225])[:, None, None]


def load_json(name, absent=None):
    """The content of a fixture, or `absent` if it is not shipped."""
    folder = PARITY if PARITY.exists() else SHIPPED
    if absent is not None and not (folder / name).exists():
        return absent
    return json.loads((folder / name).read_text())


def needs(*names):
    """Skip a test where a fixture that is not shipped is not there."""
    absent = [name for name in names if not (PARITY / name).exists()]
    return pytest.mark.skipif(
        bool(absent), reason=f'not in {PARITY}: {", ".join(absent)}'
    )


def draw_all(draw, names):
    """A dict of what `draw` makes of each name."""
    # NumPy draws without holding the interpreter's lock
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        return dict(zip(names, pool.map(draw, names)))


def draw_tensor(about, name):
    """A tensor of the recipes; its seed follows from the name."""
    seed = zlib.crc32(name.encode())
    kind, shape = about.get('kind', about.get('rule')), about['shape']
    draws = np.random.RandomState(seed).standard_normal(math.prod(shape))
    if kind == 'normal':
        draws = about['mean'] + about['std'] * draws
    elif kind == 'exp_normal':
        draws = np.exp(about['std'] * draws)
    else:
        assert kind == 'zero'
        draws = 0 * draws
    return torch.from_numpy(draws.astype(np.float32).reshape(shape))


def recipe_weights(key, salt=None):
    """Official state dict of an entry of weights.json."""
    entry = load_json('weights.json')[key]
    salt, tensors = salt or entry['salt'], {}
    for tensor in entry['tensors']:
        tensors[tensor.pop('name')] = tensor

    def draw(name):
        branch = [b for b in ('tl', 'br') if f'_{b}.' in name]
        salted = salt[branch[0] if branch else 'base'] + name
        return draw_tensor(tensors[name], salted)

    return draw_all(draw, tensors)


def noise(recipe):
    """A normalized image of a recipe."""
    if 'constant' in recipe:
        return torch.full(recipe['shape'], float(recipe['constant']))
    image = np.random.RandomState(recipe['seed']).standard_normal(
        recipe['shape']
    )
    return torch.from_numpy(image.astype(np.float32))


def synth(seed, height, width):
    """Cells of 8 px with noise, (H, W, 3) uint8."""
    rng = np.random.RandomState(seed)
    cells = (math.ceil(height / 8), math.ceil(width / 8), 3)
    image = rng.randint(0, 256, cells, dtype=np.int64)
    image = image.repeat(8, 0).repeat(8, 1)[:height, :width]
    image = image + rng.randint(-20, 21, image.shape, dtype=np.int64)
    return np.clip(image, 0, 255).astype(np.uint8)


def photo(name, folder=PARITY):
    """(H, W, 3) RGB uint8."""
    frame = cv2.imread(str(folder / name))
    if frame is None:
        pytest.skip(f'not in {folder}: {name}')
    return cv2.cvtColor(frame, cv2.COLOR_BGR2RGB)


def image(recipe):
    """A frame of a recipe, (H, W, 3) RGB uint8."""
    if recipe['kind'] == 'synth':
        return synth(recipe['seed'], recipe['h'], recipe['w'])
    assert recipe['kind'] == 'photo'
    return photo(recipe['file'])


def sequence(source, folder=PARITY):
    """Frames of a recipe, each (H, W, 3) RGB uint8."""
    height, width = (source.get(k, source.get(k.upper())) for k in 'hw')
    if source['kind'] == 'photo_sequence':
        frame = photo(source.get('file', 'photo.png'), folder)
        return [
            frame[y : y + height, x : x + width]
            for x, y in source['offsets_xy']
        ]
    assert source['kind'] == 'synth_sequence'
    h, w = source['target_h'], source['target_w']
    target = synth(source['seed'] + 1, h, w)
    frames = []
    for x, y in source['positions_xy']:
        frame = synth(source['seed'], height, width)
        frame[y : y + h, x : x + w] = target
        frames.append(frame)
    return frames


def normalize(crop):
    """(S, S, 3) RGB uint8 -> (1, 3, S, S) float32, as the release does."""
    crop = torch.from_numpy(crop).permute(2, 0, 1)[None]
    return (crop.float() / 255 - MEAN) / STD


def to_xyxy(bboxes_xywh):
    """(..., 4) tensors."""
    corner, extent = bboxes_xywh[..., :2], bboxes_xywh[..., 2:]
    return torch.cat([corner, corner + extent], dim=-1)


def to_cxcywh(bboxes):
    corner, opposite = bboxes[:, :2], bboxes[:, 2:]
    return torch.cat([(corner + opposite) / 2, opposite - corner], dim=1)
