"""Pictures, videos and plots."""

from .attention_visualizer import (
    AttentionRow,
    attention_row,
    draw_attention,
    overlay_attention,
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
    'overlay_attention',
    'plot_success',
    'record_attention',
    'write_image',
]
