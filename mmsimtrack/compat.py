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


def import_mmpretrain() -> None:
    """Import mmpretrain's networks without mmdet, which takes seconds.

    mmpretrain imports mmdet for one layer of its own, which tracking does not
    need, and does without where mmdet is not installed.
    """
    if 'mmdet' in sys.modules:
        return
    sys.modules['mmdet'] = None  # `import mmdet` raises ImportError
    try:
        importlib.import_module('mmpretrain.models')
    finally:
        del sys.modules['mmdet']


def refuse_yaml_tags() -> None:
    """Let mmengine read YAML without running what its tags name."""
    yaml = importlib.import_module('yaml')
    handlers = importlib.import_module('mmengine.fileio.handlers')

    class Handler(handlers.YamlHandler):
        def load_from_fileobj(self, file, **kwargs):
            return yaml.safe_load(file)

    register = importlib.import_module('mmengine.fileio').register_handler
    register(['yaml', 'yml'])(Handler)
