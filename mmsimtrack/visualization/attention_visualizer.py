"""Pictures of where the search image attends to the target: Fig. 4 and 5."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np
import torch
import torch.nn.functional as F
from torch import nn

from mmsimtrack.structures import CropWindow
from mmsimtrack.visualization.record_attention import record_attention
from mmsimtrack.visualization.sot_visualizer import SOTVisualizer

FOVEAL_COLOR = (255, 208, 0)
_BAR = 18  # height of a line of text, in pixels
_GAP = 4  # between columns
_LEGEND = (
    'green: target, yellow: foveal window, red: prediction. Maps: mean weight '
    'of an exemplar token, each from its minimum (blue) to its maximum (red)'
)


@dataclass(frozen=True)
class AttentionRow:
    """What one row of Fig. 5 shows: one frame, seen by one model.

    Attributes:
        title: Written above the exemplar.
        exemplar: Crop, (Hz, Wz, 3) RGB uint8.
        target_bbox: (4,) xyxy in its unit square.
        foveal_bbox: (4,) xyxy in its unit square; None if the model has no
            foveal window.
        search: Crop, (Hx, Wx, 3) RGB uint8.
        pred_bbox: (4,) xyxy in its unit square.
        maps: Layer number -> (h, w).
    """

    title: str
    exemplar: np.ndarray
    target_bbox: np.ndarray
    foveal_bbox: np.ndarray | None
    search: np.ndarray
    pred_bbox: np.ndarray
    maps: dict[int, np.ndarray]


def attention_row(
    model: nn.Module,
    frames: Sequence[np.ndarray],
    bboxes: Sequence,
    layers: Sequence[int] | None = None,
    title: str = '',
) -> AttentionRow:
    """Look again at a frame that has been tracked.

    Args:
        model: `SOTTracker`.
        frames: First frame of the video, and the frame to look at;
            (H, W, 3) RGB uint8.
        bboxes: (3, 4) xyxy in frame pixels: the target in the first frame,
            the box of the frame before, which the search crop lies around,
            and the box predicted in the frame.
        layers: See `record_attention`.
        title: Of the row.
    """
    first, previous, predicted = bboxes
    windows = [
        CropWindow.around(bbox, view['factor'], view['size'])
        for bbox, view in ((first, model.exemplar), (previous, model.search))
    ]
    exemplar, search = (w.cut(frame) for w, frame in zip(windows, frames))
    target_bbox = windows[0].to_crop(first)
    exemplar_batch, search_batch = (
        # (H, W, 3) -> (1, 3, H, W)
        torch.from_numpy(crop).permute(2, 0, 1)[None]
        for crop in (exemplar, search)
    )
    batch = {
        'exemplar': exemplar_batch,
        'exemplar_bbox': torch.from_numpy(target_bbox).float()[None],
        'search': search_batch,
    }
    inputs = model.data_preprocessor({'inputs': batch})['inputs']
    maps = record_attention(model, inputs, layers)
    return AttentionRow(
        title,
        exemplar,
        target_bbox,
        foveal_bbox(model.backbone, len(exemplar)),
        search,
        windows[1].to_crop(predicted),
        {layer: grid[0].cpu().numpy() for layer, grid in maps.items()},
    )


def draw_attention(
    rows: Sequence[AttentionRow], side: int = 224
) -> np.ndarray:
    """Draw rows as in Fig. 5: exemplar, search crop, and a map per layer.

    Args:
        rows: Of one or several frames and models.
        side: Side of a crop in the picture, in pixels.

    Returns:
        (len(rows) * (side + 18) + 18, columns * (side + 4), 3) RGB uint8:
        with captions, a legend at the bottom, and gaps to the right of the
        columns. A row with fewer maps than another ends in white.
    """
    drawn = [_draw_row(row, side) for row in rows]
    width = max(image.shape[1] for image in drawn)
    return np.concatenate(
        [
            *(_pad_right(image, width) for image in drawn),
            text_bar(_LEGEND, width),
        ]
    )


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


def foveal_bbox(backbone: nn.Module, size: int) -> np.ndarray | None:
    """Foveal window of an exemplar, if the backbone has one.

    Args:
        backbone: Of a `SOTTracker`.
        size: Side of the exemplar crop in pixels.

    Returns:
        (4,) xyxy in the unit square of the crop, or None.
    """
    tokenizer = getattr(backbone, 'tokenizer', None)
    foveal_size = getattr(tokenizer, 'foveal_size', 0)
    if not foveal_size:
        return None
    start = tokenizer.foveal_start(size)
    stop = start + foveal_size
    return np.array([start, start, stop, stop]) / size


def draw_exemplar(
    exemplar: np.ndarray,
    target_bbox: np.ndarray,
    foveal: np.ndarray | None,
    side: int,
) -> np.ndarray:
    """Draw target and foveal window on an exemplar.

    Args:
        exemplar: Crop, (H, W, 3) RGB uint8.
        target_bbox: (4,) xyxy in its unit square.
        foveal: The same, of the foveal window; see `foveal_bbox`.
        side: Side of the picture in pixels.

    Returns:
        (side, side, 3) RGB uint8.
    """
    exemplar = cv2.resize(exemplar, (side, side))
    if foveal is not None:
        x1, y1, x2, y2 = np.round(foveal * side).astype(int).tolist()
        cv2.rectangle(exemplar, (x1, y1), (x2 - 1, y2 - 1), FOVEAL_COLOR)
    return SOTVisualizer.draw_frame(exemplar, gt_bbox=target_bbox * side)


def text_bar(text: str, width: int) -> np.ndarray:
    """Black on white, (18, width, 3); letters shrink until they fit."""
    font, scale = cv2.FONT_HERSHEY_SIMPLEX, 0.42
    wanted = cv2.getTextSize(text, font, scale, 1)[0][0]
    scale *= min((width - 6) / max(wanted, 1), 1)
    bar = np.full((_BAR, width, 3), 255, np.uint8)
    origin = (3, _BAR - 5)
    cv2.putText(bar, text, origin, font, scale, (0, 0, 0), 1, cv2.LINE_AA)
    return bar


def _draw_row(row: AttentionRow, side: int) -> np.ndarray:
    exemplar = draw_exemplar(
        row.exemplar, row.target_bbox, row.foveal_bbox, side
    )
    search = cv2.resize(row.search, (side, side))
    cells = [
        (row.title, exemplar),
        ('search', SOTVisualizer.draw_frame(search, row.pred_bbox * side)),
    ]
    for layer, grid in row.maps.items():
        caption = f'layer {layer}: {grid.min():.2g} to {grid.max():.2g}'
        overlay = overlay_attention(grid, row.search)
        cells.append((caption, cv2.resize(overlay, (side, side))))
    columns = [
        np.concatenate([text_bar(caption, side), cell])
        for caption, cell in cells
    ]
    return np.concatenate(
        [_pad_right(column, side + _GAP) for column in columns], axis=1
    )


def _pad_right(image: np.ndarray, width: int) -> np.ndarray:
    missing = width - image.shape[1]
    return np.pad(image, ((0, 0), (0, missing), (0, 0)), constant_values=255)
