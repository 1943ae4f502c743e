"""Old place of the text readers, which are in `mmsimtrack.fileio` now."""

from mmsimtrack.fileio import (  # noqa: F401
    read_bboxes_xywh,
    read_flags,
    write_bboxes_xywh,
)
