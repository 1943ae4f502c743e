"""The recipes of the parity fixtures: weights, inputs, models."""

import json
import zlib
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch
from mmengine.config import Config

from mmsimtrack.registry import MODELS
from mmsimtrack.structures import CropWindow, xywh_to_xyxy

ROOT = Path(__file__).parents[2]
# all fixtures lie beside the repository, the smallest of them in it
PARITY = ROOT.parent / 'shared/parity'
SHIPPED = ROOT / 'tests/data/parity'


def load_json(name):
    folder = PARITY if PARITY.exists() else SHIPPED
    return json.loads((folder / name).read_text())


def recipe_weights(key, salt=None):
    """Official state dict of a model, from the seeded recipe."""
    entry = load_json('weights.json')[key]
    salt = salt or entry['salt']
    weights = {}
    for tensor in entry['tensors']:
        name, shape = tensor['name'], tensor['shape']
        branch = [b for b in ('tl', 'br') if f'_{b}.' in name]
        seed = salt[branch[0] if branch else 'base'] + name
        rng = np.random.RandomState(zlib.crc32(seed.encode()))
        z = rng.standard_normal(int(np.prod(shape))).reshape(shape)
        if tensor['kind'] == 'normal':
            z = tensor['mean'] + tensor['std'] * z
        elif tensor['kind'] == 'exp_normal':
            z = np.exp(tensor['std'] * z)
        else:
            z = 0 * z
        weights[name] = torch.from_numpy(np.asarray(z, np.float32))
    return weights


def noise(recipe):
    """A normalized image of a recipe."""
    if 'constant' in recipe:
        return torch.full(recipe['shape'], float(recipe['constant']))
    rng = np.random.RandomState(recipe['seed'])
    image = rng.standard_normal(recipe['shape']).astype(np.float32)
    return torch.from_numpy(image)


def photo_crop(path, bbox_xywh, factor, size):
    frame = cv2.cvtColor(cv2.imread(str(path)), cv2.COLOR_BGR2RGB)
    window = CropWindow.around(xywh_to_xyxy(bbox_xywh), factor, size)
    crop = torch.from_numpy(window.cut(frame)).permute(2, 0, 1)[None]
    mean = torch.tensor([0.485, 0.456, 0.406])[:, None, None]
    std = torch.tensor([0.229, 0.224, 0.225])[:, None, None]
    return (crop.float() / 255 - mean) / std


def case_inputs(case, sizes, dtype):
    """Inputs of one case of forward.json."""
    if 'image' in case:
        path = PARITY / case['image']['file']
        exemplar = photo_crop(
            path,
            case['init_box'],
            sizes['template_factor'],
            sizes['template_size'],
        )
        search = photo_crop(
            path,
            case['search_state'],
            sizes['search_factor'],
            sizes['search_size'],
        )
    else:
        exemplar, search = noise(case['template']), noise(case['search'])
    # (x, y, w, h), rounded to float32 before any cast
    anno = torch.tensor(case['template_anno']).to(dtype)
    bbox = torch.cat([anno[:, :2], anno[:, :2] + anno[:, 2:]], dim=1)
    return {
        'exemplar': exemplar.to(dtype),
        'exemplar_bbox': bbox,
        'search': search.to(dtype),
    }


def to_cxcywh(bboxes):
    corner, opposite = bboxes[:, :2], bboxes[:, 2:]
    return torch.cat([(corner + opposite) / 2, opposite - corner], dim=1)


def build(sizes, as_released=False):
    """Our model with the sizes of a fixture."""
    cfg = Config.fromfile(ROOT / 'configs/_base_/models/sim_b16.py').model
    width = sizes['width']
    cfg.backbone.update(
        arch=dict(
            embed_dims=width,
            num_layers=sizes['layers'],
            num_heads=sizes['heads'],
            feedforward_channels=sizes['mlp_ratio'] * width,
        ),
        patch_size=sizes['patch'],
        img_size=sizes['patch'] * sizes['pretrain_grid'],
        tokenizer=dict(
            foveal_size=sizes['foveal_size'], as_released=as_released
        ),
        init_cfg=None,
    )
    cfg.head.channels = sizes['head_channels']
    return MODELS.build(cfg).eval()


needs_all_fixtures = pytest.mark.skipif(
    not PARITY.exists(), reason='needs the parity fixtures'
)
