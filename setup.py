"""Build mmsimtrack; `pip install -e .` to work on it."""

import shutil
from pathlib import Path

from setuptools import find_packages, setup
from setuptools.command.build_py import build_py

ROOT = Path(__file__).parent
SHIPPED = ('configs', 'tools', 'model-index.yml')  # what `mim` looks for


def read_version() -> str:
    """Version, without importing the package."""
    namespace = {}
    exec((ROOT / 'mmsimtrack/version.py').read_text(), namespace)
    return namespace['__version__']


def read_requirements(name: str) -> list[str]:
    """Requirements of one file, without comments."""
    lines = (ROOT / 'requirements' / name).read_text().splitlines()
    return [line for line in lines if line and not line.startswith('#')]


class BuildWithMim(build_py):
    """Puts configs, tools and the model index into the wheel.

    `tools/benchmarks/` stays out: it measures a checkout.
    """

    def run(self) -> None:
        """Build, then copy to `mmsimtrack/.mim` in the build folder."""
        super().run()
        if self.editable_mode:
            return
        target = Path(self.build_lib) / 'mmsimtrack/.mim'
        target.mkdir(parents=True, exist_ok=True)
        for name in SHIPPED:
            source = ROOT / name
            if source.is_dir():
                shutil.copytree(
                    source,
                    target / name,
                    dirs_exist_ok=True,
                    ignore=shutil.ignore_patterns('__pycache__', 'benchmarks'),
                )
            else:
                shutil.copy(source, target / name)


setup(
    name='mmsimtrack',
    version=read_version(),
    description='Single-object tracking in the OpenMMLab 2.x style: SimTrack',
    long_description=(ROOT / 'README.md').read_text(),
    long_description_content_type='text/markdown',
    license='Apache-2.0',
    keywords=[
        'single-object tracking',
        'visual object tracking',
        'computer vision',
        'deep learning',
        'OpenMMLab',
        'PyTorch',
        'SimTrack',
        'STARK',
        'OSTrack',
        'LaSOT',
        'GOT-10k',
    ],
    classifiers=[
        'Development Status :: 4 - Beta',
        'Environment :: Console',
        'Intended Audience :: Developers',
        'Intended Audience :: Science/Research',
        'Operating System :: POSIX :: Linux',
        'Programming Language :: Python :: 3',
        'Programming Language :: Python :: 3 :: Only',
        'Programming Language :: Python :: 3.10',
        'Programming Language :: Python :: 3.11',
        'Topic :: Scientific/Engineering :: Artificial Intelligence',
        'Topic :: Scientific/Engineering :: Image Recognition',
    ],
    packages=find_packages(include=['mmsimtrack', 'mmsimtrack.*']),
    package_data={
        'mmsimtrack': [
            'app/static/**',
            'datasets/splits/*.txt',
            'checkpoints/*',
        ]
    },
    python_requires='>=3.10',
    install_requires=read_requirements('runtime.txt'),
    extras_require={
        **{
            name: read_requirements(f'{name}.txt')
            for name in ('deploy', 'docs', 'kits')
        },
        'dev': read_requirements('dev.txt') + read_requirements('deploy.txt'),
    },
    entry_points={'console_scripts': ['mmsimtrack=mmsimtrack.cli.main:main']},
    cmdclass={'build_py': BuildWithMim},
)
