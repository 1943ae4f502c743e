"""Pictures, videos and plots."""

from .attention import (
    attention_layers,
    attention_row,
    draw_attention,
    draw_exemplar,
    foveal_bbox,
    overlay_attention,
    record_attention,
    text_bar,
)
from .ope_plots import plot_attributes, plot_curves, plot_overlaps
from .sot_visualizer import (
    SOTVisualizer,
    VideoWriter,
    contact_sheet,
    write_image,
)

__all__ = [
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
