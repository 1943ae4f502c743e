import importlib.util
import types

import pytest
from processes import python

from mmsimtrack import compat

HAS_OPS = importlib.util.find_spec('mmcv._ext') is not None
without_ops = pytest.mark.skipif(HAS_OPS, reason='this mmcv has compiled ops')


@without_ops
def test_ops_import_and_refuse_to_work():
    from mmcv import ops
    from mmcv.ops import RoIAlign, nms
    from mmcv.ops.carafe import CARAFEPack

    for use in (
        lambda: nms(1, 2),
        lambda: RoIAlign(7),
        lambda: CARAFEPack.build(),
        lambda: ops.roi_pool(1),
        lambda: types.new_class('Child', (RoIAlign,)),
    ):
        message = r'mmcv\.ops\.\S+ is a compiled op.* install an'
        with pytest.raises(ImportError, match=message):
            use()


def test_compiled_ops_are_left_alone(tmp_path):
    """A fake mmcv with an extension: its own ops are imported."""
    package = tmp_path / 'mmcv'
    package.mkdir()
    (package / '__init__.py').write_text('')
    (package / '_ext.py').write_text('')
    (package / 'ops.py').write_text('nms = 42')
    script = (
        'import sys, types; sys.path.insert(0, sys.argv[1]);'
        'import importlib.util as u;'
        's = u.spec_from_file_location("compat", sys.argv[2]);'
        'm = u.module_from_spec(s); s.loader.exec_module(m);'
        'm.provide_mmcv_ops(); from mmcv.ops import nms; assert nms == 42'
    )
    python('-c', script, tmp_path, compat.__file__)


def test_missing_opencv_names_the_command(monkeypatch):
    def fail(name):
        raise ImportError('libGL.so.1: cannot open shared object file')

    monkeypatch.setattr(compat.importlib, 'import_module', fail)
    message = r'libGL.so.1.*pip install --force-reinstall --no-deps'
    with pytest.raises(ImportError, match=message):
        compat.check_opencv()


TRACK = """
import sys
import numpy as np
import torch
from mmsimtrack.apis import SOTInferencer
frames = [np.zeros((90, 120, 3), np.uint8)] * 2
assert len(SOTInferencer('sim_s16-6l_real')(frames, [9, 9, 40, 40])['bboxes'])
tops = {name.split('.')[0] for name in sys.modules}
assert not tops & {'mmdet', 'torchvision'}, tops
assert 'torch._dynamo' not in sys.modules
# they are hidden from mmpretrain only, while it is imported
from mmdet.models import GIoULoss
from mmpretrain.models.utils.box_utils import box_iou
box = torch.tensor([[0.0, 0, 2, 2]])
assert box_iou(box, box)[0] == 1
"""


def test_tracking_with_a_shipped_model_imports_little():
    python('-c', TRACK)


FAKE = """
import importlib.util
assert importlib.util.find_spec('torchvision')
import torchvision.transforms
from torchvision.ops.misc import FrozenBatchNorm2d
"""


def test_transformers_finds_all_of_torchvision(tmp_path):
    """mmpretrain imports it, where it is installed."""
    (tmp_path / 'transformers.py').write_text(FAKE)
    script = 'import sys; sys.path.insert(0, sys.argv[1]);'
    script += 'import mmsimtrack.models; assert "transformers" in sys.modules'
    python('-c', script, tmp_path)
