"""Build mmsimtrack-light: `make light`, in the root of the repository.

It holds the files of mmsimtrack that need no torch, under another import
name, and the networks in `mmsimtrack_light/model`, if there are any.
"""

import shutil
from pathlib import Path

from setuptools import setup
from setuptools.command.build_py import build_py

PACKAGE = Path(__file__).resolve().parents[3] / 'mmsimtrack'
SHARED = ('runtime/*.py', 'structures/[bct]*.py')


class BuildWithShared(build_py):
    """Copies what mmsimtrack and mmsimtrack-light share."""

    def run(self) -> None:
        """Build, then copy to the build folder."""
        super().run()
        for pattern in SHARED:
            for source in PACKAGE.glob(pattern):
                target = Path(self.build_lib, 'mmsimtrack_light')
                target /= source.relative_to(PACKAGE)
                target.parent.mkdir(parents=True, exist_ok=True)
                shutil.copy(source, target)


def read_version() -> str:
    """Version of mmsimtrack, without importing it."""
    namespace = {}
    exec((PACKAGE / 'version.py').read_text(), namespace)
    return namespace['__version__']


setup(
    name='mmsimtrack-light',
    version=read_version(),
    description='Single-object tracking without torch, by networks that '
    'mmsimtrack exported',
    license='Apache-2.0',
    packages=['mmsimtrack_light', 'mmsimtrack_light.structures'],
    package_data={'mmsimtrack_light': ['model/*']},
    python_requires='>=3.10',
    install_requires=[
        'numpy>=2.0,<3',
        'opencv-python-headless>=4.11,<5',
        'onnxruntime>=1.20',
    ],
    extras_require={'openvino': ['openvino>=2024.6']},
    entry_points={
        'console_scripts': [
            'mmsimtrack-light=mmsimtrack_light.runtime.cli:main'
        ]
    },
    cmdclass={'build_py': BuildWithShared},
)
