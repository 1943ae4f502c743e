"""Pictures, videos and plots."""

from .sot_visualizer import (
    SOTVisualizer,
    VideoWriter,
    contact_sheet,
    write_image,
)
from .success_plot import plot_success

__all__ = [
    'SOTVisualizer',
    'VideoWriter',
    'contact_sheet',
    'plot_success',
    'write_image',
]
