"""Pictures, videos and plots."""

from .attention_visualizer import (
    AttentionRow,
    attention_row,
    draw_attention,
    draw_exemplar,
    foveal_bbox,
    overlay_attention,
    text_bar,
)
from .ope_plots import plot_attributes, plot_curves, plot_overlaps
from .record_attention import attention_layers, record_attention
from .sot_visualizer import (
    SOTVisualizer,
    VideoWriter,
    contact_sheet,
    write_image,
)

__all__ = [
    'AttentionRow',
    'SOTVisualizer',
    'VideoWriter',
    'attention_layers',
    'attention_row',
    'contact_sheet',
    'draw_attention',
    'draw_exemplar',
    'foveal_bbox',
    'overlay_attention',
    'plot_attributes',
    'plot_curves',
    'plot_overlaps',
    'record_attention',
    'text_bar',
    'write_image',
]
