"""A layout: `clips/<name>/0.png` and, beside, `<name>.csv`."""

from pathlib import Path

from mmsimtrack.datasets import SequenceDataset
from mmsimtrack.registry import DATASETS


@DATASETS.register_module()
class ToyDataset(SequenceDataset):
    def load_data_list(self):
        return [
            {
                'name': path.stem,
                'frame_template': f'{path.with_suffix("")}/{{}}.png',
                'first_frame': 0,
                'annotation': str(path),
            }
            for path in sorted(Path(self.data_root, 'clips').glob('*.csv'))
        ]
