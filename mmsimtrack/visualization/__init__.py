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
from .record_attention import attention_layers, record_attention
from .sot_visualizer import (
    SOTVisualizer,
    VideoWriter,
    contact_sheet,
    write_image,
)
from .success_plot import plot_success

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
    'plot_success',
    'record_attention',
    'text_bar',
    'write_image',
]
