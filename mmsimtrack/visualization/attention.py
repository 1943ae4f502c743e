"""Where the search image attends to the target: Eq. (8), Fig. 4 and 5."""

from collections.abc import Sequence
from contextlib import ExitStack

import cv2
import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from mmsimtrack.structures import CropWindow
from mmsimtrack.visualization.sot_visualizer import SOTVisualizer

FOVEAL_COLOR = (255, 208, 0)
BAR = 18  # height of a line of text, in pixels
GAP = 4  # between columns
LEGEND = (
    'green: target, yellow: foveal window, red: prediction. Maps: mean weight '
    'of an exemplar token, each from its minimum (blue) to its maximum (red)'
)


@torch.no_grad()
def record_attention(
    model: nn.Module,
    inputs: dict[str, Tensor],
    layers: Sequence[int] | None = None,
) -> dict[int, Tensor]:
    """Run a network once and see where each layer attends to the target.

    Of the softmax over exemplar, class and search tokens, the weights of the
    exemplar tokens are averaged over these tokens and over the heads. Where
    exemplar and search image do not meet in a layer, the map says what the
    attention would be if they did.

    Args:
        model: `SimTrack`, or one of its backbones, with a ViT of mmpretrain.
            It is put into eval mode.
        inputs: `exemplar`, `exemplar_bbox` and `search`, as for
            `SimTrack.forward`.
        layers: Numbers counted from 1; see `attention_layers`.

    Returns:
        Layer number -> (B, h, w), A*(s^l) of Eq. (8).
    """
    backbone = getattr(model, 'backbone', model).eval()
    layers = attention_layers(backbone, layers)
    vit = getattr(backbone, 'features', backbone)
    tokens = {layer: [] for layer in layers}
    with ExitStack() as hooks:
        for layer, seen in tokens.items():
            # what a layer's norm puts out is what its attention gets: in one
            # call, or first of the exemplar and then of the search image
            hook = vit.layers[layer - 1].ln1.register_forward_hook(
                lambda _, args, out, seen=seen: seen.append(out)
            )
            hooks.callback(hook.remove)
        memory = backbone.embed_exemplar(
            inputs['exemplar'], inputs['exemplar_bbox']
        )
        backbone(memory, inputs['search'])
    patch = vit.patch_embed.projection.kernel_size
    # the last patches may stick out: the network pads what is too small
    grid = [-(-n // p) for n, p in zip(inputs['search'].shape[-2:], patch)]
    # in a Siamese network the exemplar has a class token of its own
    start = int(vit is not backbone)
    return {
        layer: _target_map(
            vit.layers[layer - 1].attn, torch.cat(seen, dim=1), start, grid
        )
        for layer, seen in tokens.items()
    }


def attention_layers(
    backbone: nn.Module, layers: Sequence[int] | None = None
) -> list[int]:
    """Check numbers of layers, or choose them.

    Args:
        backbone: The backbone of a model.
        layers: Numbers counted from 1; None chooses six evenly spread ones
            that end with the last (2, 4, ..., 12 of 12), or all of fewer.

    Raises:
        TypeError: If the backbone has no ViT.
        ValueError: If there is no layer of that number, or none is asked for.
    """
    vit = getattr(backbone, 'features', backbone)
    found = getattr(vit, 'layers', [None])
    is_vit = hasattr(getattr(found[0], 'attn', None), 'qkv')
    if not is_vit or getattr(vit, 'cls_token', None) is None:
        raise TypeError(
            f'Attention maps: found {type(vit).__name__}, expected the layers '
            'of a ViT of mmpretrain. Give a model with JointViT, OneWayViT '
            'or a Siamese ViT.'
        )
    total = len(found)
    if layers is None:
        count = min(total, 6)
        return [round(total * (i + 1) / count) for i in range(count)]
    wrong = [layer for layer in layers if not 1 <= layer <= total]
    if wrong or not len(layers):
        named = ', '.join(map(str, wrong)) or 'no number'
        raise ValueError(
            f'Layers to visualize: found {named}, but the model has {total} '
            f'layers with attention. Give numbers from 1 to {total}.'
        )
    return list(layers)


def _target_map(
    attn: nn.Module, tokens: Tensor, start: int, grid: list[int]
) -> Tensor:
    """Compute Eq. (8): (B, N, C) normalized tokens -> (B, h, w)."""
    num_search = grid[0] * grid[1]
    qkv = attn.qkv(tokens).unflatten(2, (3, attn.num_heads, -1))
    query, key, _ = qkv.permute(2, 0, 3, 1, 4)  # each (B, heads, N, d)
    query = query[:, :, -num_search:] * query.shape[-1] ** -0.5
    weights = (query @ key.mT).softmax(-1).mean(1)  # (B, Nx, N)
    # [class,] exemplar, class, search
    exemplar = weights[..., start : -num_search - 1]
    return exemplar.mean(-1).unflatten(1, grid)


def attention_row(
    model: nn.Module,
    frames: Sequence[np.ndarray],
    bboxes: Sequence,
    layers: Sequence[int] | None = None,
    title: str = '',
    side: int = 224,
) -> np.ndarray:
    """Draw a frame that has been tracked: exemplar, search crop, maps.

    Args:
        model: `SimTrack`.
        frames: First frame of the video, and the frame to look at;
            (H, W, 3) RGB uint8.
        bboxes: (3, 4) xyxy in frame pixels: the target in the first frame,
            the box of the frame before, which the search crop lies around,
            and the box predicted in the frame.
        layers: See `record_attention`.
        title: Text above the exemplar.
        side: Side of a crop in the picture, in pixels.

    Returns:
        (side + 18, columns * (side + 4), 3) RGB uint8.
    """
    windows = [
        CropWindow.around(bbox, view['factor'], view['size'])
        for bbox, view in zip(bboxes, (model.exemplar, model.search))
    ]
    exemplar, search = (w.cut(frame) for w, frame in zip(windows, frames))
    target = windows[0].to_crop(bboxes[0])
    batch = {
        'exemplar': torch.from_numpy(exemplar).permute(2, 0, 1),
        'exemplar_bbox': torch.from_numpy(target).float(),
        'search': torch.from_numpy(search).permute(2, 0, 1),
    }
    batch = {name: tensor[None] for name, tensor in batch.items()}
    inputs = model.data_preprocessor({'inputs': batch})['inputs']
    maps = record_attention(model, inputs, layers)
    predicted = windows[1].to_crop(bboxes[2]) * side
    resized = cv2.resize(search, (side, side))
    cells = [
        (title, draw_exemplar(exemplar, target, model.backbone, side)),
        ('search', SOTVisualizer.draw_frame(resized, predicted)),
    ]
    for layer, (grid,) in maps.items():
        caption = f'layer {layer}: {grid.min():.2g} to {grid.max():.2g}'
        overlay = overlay_attention(grid.float().cpu().numpy(), search)
        cells.append((caption, cv2.resize(overlay, (side, side))))
    columns = [
        _pad_right(np.concatenate([text_bar(text, side), cell]), side + GAP)
        for text, cell in cells
    ]
    return np.concatenate(columns, axis=1)


def draw_attention(rows: Sequence[np.ndarray]) -> np.ndarray:
    """Put rows of `attention_row` one below the other, above a legend.

    A row that is shorter than another ends in white.
    """
    width = max(row.shape[1] for row in rows)
    rows = [_pad_right(row, width) for row in rows]
    return np.concatenate([*rows, text_bar(LEGEND, width)])


def overlay_attention(grid: np.ndarray, crop: np.ndarray) -> np.ndarray:
    """Lay a map over its search crop.

    The map is up-sampled bilinearly to the size of the crop, and scaled from
    its own minimum (blue) to its own maximum (red).

    Args:
        grid: (h, w).
        crop: (H, W, 3) RGB uint8.

    Returns:
        (H, W, 3) RGB uint8.
    """
    # from zero on: up-sampling adds noise to any other constant, and scaling
    # would show it
    grid = torch.as_tensor(grid - grid.min())[None, None]
    full = F.interpolate(grid, crop.shape[:2], mode='bilinear')
    return SOTVisualizer.draw_featmap(full[0], crop)


def draw_exemplar(
    exemplar: np.ndarray, bbox: np.ndarray, backbone: nn.Module, side: int
) -> np.ndarray:
    """Draw the target and the foveal window, if there is one.

    Args:
        exemplar: Crop, (S, S, 3) RGB uint8.
        bbox: (4,) xyxy of the target in its unit square.
        backbone: Backbone of a `SimTrack`, which knows the window.
        side: Side of the picture in pixels.

    Returns:
        (side, side, 3) RGB uint8.
    """
    picture = cv2.resize(exemplar, (side, side))
    tokenizer = getattr(backbone, 'tokenizer', None)
    if size := getattr(tokenizer, 'foveal_size', 0):
        start = tokenizer.foveal_start(len(exemplar))
        scale = side / len(exemplar)
        low, high = round(start * scale), round((start + size) * scale) - 1
        cv2.rectangle(picture, (low, low), (high, high), FOVEAL_COLOR)
    return SOTVisualizer.draw_frame(picture, gt_bbox=bbox * side)


def text_bar(text: str, width: int) -> np.ndarray:
    """Write black on white, (18, width, 3); letters shrink until they fit."""
    font, scale = cv2.FONT_HERSHEY_SIMPLEX, 0.42
    wanted = cv2.getTextSize(text, font, scale, 1)[0][0]
    scale *= min((width - 6) / max(wanted, 1), 1)
    bar = np.full((BAR, width, 3), 255, np.uint8)
    origin = (3, BAR - 5)
    cv2.putText(bar, text, origin, font, scale, (0, 0, 0), 1, cv2.LINE_AA)
    return bar


def _pad_right(image: np.ndarray, width: int) -> np.ndarray:
    missing = width - image.shape[1]
    return np.pad(image, ((0, 0), (0, missing), (0, 0)), constant_values=255)
