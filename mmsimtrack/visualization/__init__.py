"""Pictures, videos and plots."""

from .attention import attention_row, draw_attention, record_attention
from .ope_plots import plot_attributes, plot_curves, plot_overlaps
from .sot_visualizer import (
    SOTVisualizer,
    VideoWriter,
    contact_sheet,
    write_image,
)
