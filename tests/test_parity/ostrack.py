"""What the fixtures of OSTrack are made of, and our networks for them.

`MMSIMTRACK_PARITY_OSTRACK` may name a folder with other fixtures of the same
layout. The small ones are in the repository.
"""

import functools
import json
import os
from pathlib import Path

import numpy as np
import pytest
import torch
from mmengine.config import Config

from mmsimtrack.models.weights.rename import FORMATS, convert
from mmsimtrack.registry import MODELS

from . import recipes
from .recipes import ROOT, draw_all, draw_tensor, noise, normalize, photo
from .released_tracking import crop

SHIPPED = ROOT / 'tests/data/parity_ostrack'
FOLDER = ROOT.parent / 'shared/parity_ostrack'
if 'MMSIMTRACK_PARITY_OSTRACK' in os.environ:
    FOLDER = Path(os.environ['MMSIMTRACK_PARITY_OSTRACK']).resolve(strict=True)
elif not FOLDER.exists():
    FOLDER = SHIPPED


@functools.cache
def load(name):
    """The content of a JSON fixture; nothing if it is not there."""
    path = FOLDER / name
    return json.loads(path.read_text()) if path.exists() else {}


@functools.cache
def arrays(name):
    """The arrays of an npz fixture."""
    if not (FOLDER / name).exists():
        pytest.skip(f'not in {FOLDER}: {name}')
    with np.load(FOLDER / name) as file:
        return dict(file)


def draw(name, rule, salts):
    """A tensor of the recipe."""
    salted = salts['ctr' if '_ctr' in name else 'base'] + name
    tensor = draw_tensor(rule, salted)
    return tensor.long() if rule['rule'] == 'zero' else tensor


@functools.lru_cache(2)  # the large ones are 370 MB each
def official_weights(key, *salts):
    """Official state dict of a model, or of others with its shapes."""
    entry = load('weights.json')[key]
    salts = dict(zip(('base', 'ctr'), salts)) or entry['salts']
    rules = entry['tensors']
    return draw_all(lambda name: draw(name, rules[name], salts), rules)


CE_BLOCKS = {'tiny': (0, 1, 2), 'tiny7': (1, 2)}
CE_RATIOS = {'tiny7': (0.8, 0.6)}
RANGES = {'CTR_POINT': 'center', 'CTR_REC': 'rectangle', 'GT_BOX': 'box'}


def config(key, elimination=None):
    """Config of our model, from the shipped ones.

    Args:
        key: `tiny`, `tiny7`, `vitb256` or `vitb384`.
        elimination: None, or the chosen tokens (name or numbers).
    """
    large = key.removeprefix('vitb')
    base = 'b384' if large == '384' else 'b256'
    cfg = Config.fromfile(ROOT / f'configs/_base_/models/ostrack_{base}.py')
    cfg = cfg.model
    cfg.backbone.init_cfg = None
    cfg.backbone.drop_path_rate = 0.0
    if elimination is None:
        cfg.backbone.elimination = None
    else:
        cfg.backbone.elimination.template_tokens = elimination
    if large == key:
        resize(cfg, load('forward.json')[key]['model'])
        if elimination is not None:
            cfg.backbone.elimination.blocks = CE_BLOCKS[key]
            cfg.backbone.elimination.keep_ratio = CE_RATIOS.get(key, 0.7)
    return cfg


def build(key, elimination=None, salts=()):
    """Our model with the weights of the recipe, which fit strictly."""
    model = MODELS.build(config(key, elimination)).eval()
    official = official_weights(key, *salts)
    ours = convert(FORMATS['ostrack'], official, key)
    model.load_state_dict(ours, strict=True)
    return model


def image(recipe, batch, size):
    """A normalized image of a recipe, (B, 3, S, S)."""
    if 'photo_box' in recipe:
        frame = photo('photo.png', FOLDER)
        box, factor = recipe['photo_box'], recipe['factor']
        return normalize(crop(frame, box, factor, recipe['size']).image)
    about = dict(recipe, shape=(batch, 3, size, size))
    return noise(dict(about, seed=recipe.get('noise_seed')))


sequence = functools.partial(recipes.sequence, folder=FOLDER)


def hann(n):
    """Window of the release, (n, n) float64."""
    k = np.arange(1, n + 1)
    line = 0.5 * (1 - np.cos(2 * np.pi * k / (n + 1)))
    return torch.from_numpy(np.outer(line, line))


def resize(cfg, sizes):
    """Give a config the sizes of a fixture."""
    cfg.exemplar.size, cfg.search.size = sizes['template'], sizes['search']
    cfg.backbone.arch.update(
        embed_dims=sizes['width'],
        num_layers=sizes['layers'],
        num_heads=sizes['heads'],
        feedforward_channels=4 * sizes['width'],
    )
    cfg.head.channels = sizes['head_channels']
    return cfg
