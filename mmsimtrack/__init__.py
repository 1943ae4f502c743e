"""mmsimtrack: single-object tracking in the OpenMMLab 2.x style."""

from mmsimtrack.compat import check_opencv, provide_mmcv_ops
from mmsimtrack.version import __version__

check_opencv()
provide_mmcv_ops()

__all__ = ['__version__']
