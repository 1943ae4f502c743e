"""The one place for the quirks of third-party packages."""

import importlib
import importlib.machinery
import importlib.util
import sys
from types import ModuleType


def check_opencv() -> None:
    """Turn a failing ``import cv2`` into one line that says what to do.

    mmcv asks for opencv-python, which needs libGL; mmdet asks for the
    headless build, which does not. Both write the same folder, and whichever
    was installed last wins.

    Raises:
        ImportError: If OpenCV does not import; names the command to run.
    """
    try:
        importlib.import_module('cv2')
    except ImportError as error:
        raise ImportError(
            f'OpenCV does not import ({error}). Run: pip install '
            "--force-reinstall --no-deps 'opencv-python-headless<5'"
        ) from error


class _MissingOps(ModuleType):
    """Stands for `mmcv.ops`, a module in it, or an op: every use raises."""

    def __getattr__(self, name: str):
        # Decorators and inspectors probe dunder names; they must not raise.
        if name.startswith('__'):
            raise AttributeError(name)
        return _MissingOps(f'{self.__name__}.{name}')

    def __call__(self, *args, **kwargs):
        raise ImportError(
            f'{self.__name__} is a compiled op, and this mmcv has none. '
            'mmsimtrack needs no compiled op; if your model does, install an '
            'mmcv with ops: '
            'https://mmcv.readthedocs.io/en/latest/get_started/installation.html'
        )

    __mro_entries__ = __call__


class _MissingOpsFinder:
    """Answers `import mmcv.ops` and `import mmcv.ops.<module>`."""

    @staticmethod
    def find_spec(name: str, path=None, target=None):
        """Claim `mmcv.ops` and everything below it, nothing else."""
        if name == 'mmcv.ops' or name.startswith('mmcv.ops.'):
            return importlib.util.spec_from_loader(
                name, _MissingOpsFinder, is_package=True
            )
        return None

    @staticmethod
    def create_module(spec) -> ModuleType:
        """Make the placeholder module."""
        return _MissingOps(spec.name)

    @staticmethod
    def exec_module(module: ModuleType) -> None:
        """Run nothing: the placeholder is complete."""


def provide_mmcv_ops() -> None:
    """Let ``from mmcv import ops`` succeed where mmcv has no compiled ops.

    `mmdet.models` imports `mmcv.ops` although the parts that mmsimtrack uses
    (losses, PVT, layers of DETR) call no op. With compiled ops present nothing
    is touched.
    """
    if _MissingOpsFinder in sys.meta_path or 'mmcv.ops' in sys.modules:
        return
    # find_spec('mmcv._ext') would import mmcv; the folder says it as well.
    mmcv = importlib.util.find_spec('mmcv')
    if mmcv is None or not mmcv.submodule_search_locations:
        return
    finder = importlib.machinery.PathFinder
    if finder.find_spec('mmcv._ext', mmcv.submodule_search_locations) is None:
        sys.meta_path.insert(0, _MissingOpsFinder)


class _Later(ModuleType):
    """Stands for a module that is imported when something of it is used."""

    def __getattr__(self, name: str):
        if name.startswith('__'):
            raise AttributeError(name)
        return getattr(importlib.import_module(self.__name__), name)


def import_mmpretrain() -> None:
    """Import mmpretrain's networks without what takes seconds.

    mmpretrain imports mmdet for one layer of its own, which tracking does not
    need, and does without where mmdet is not installed. It imports
    torchvision, and with it the compiler of torch, for boxes of tasks that
    are not ours. Where transformers is installed, mmpretrain imports that as
    well, which needs all of torchvision.
    """
    later = {}
    wants_all = importlib.util.find_spec('transformers') is not None
    if not wants_all and 'torchvision' not in sys.modules:
        top, ops = 'torchvision', 'torchvision.ops'
        boxes = 'torchvision.ops.boxes'
        later = {name: _Later(name) for name in (top, ops, boxes)}
        later[top].ops, later[ops].boxes = later[ops], later[boxes]
    if 'mmdet' not in sys.modules:
        later['mmdet'] = None  # `import mmdet` raises ImportError
    sys.modules.update(later)
    try:
        importlib.import_module('mmpretrain.models')
    finally:
        for name in later:
            del sys.modules[name]


def read_yaml(text):
    """Read YAML, a string or an open file, without running what tags name."""
    yaml = importlib.import_module('yaml')
    # the one in C takes an eighth of the time, and is not everywhere
    return yaml.load(text, getattr(yaml, 'CSafeLoader', yaml.SafeLoader))


def refuse_yaml_tags() -> None:
    """Let mmengine read YAML by `read_yaml`."""
    handlers = importlib.import_module('mmengine.fileio.handlers')

    class Handler(handlers.YamlHandler):
        def load_from_fileobj(self, file, **kwargs):
            return read_yaml(file)

    register = importlib.import_module('mmengine.fileio').register_handler
    register(['yaml', 'yml'])(Handler)
