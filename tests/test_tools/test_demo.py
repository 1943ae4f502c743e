"""The quick start, every step of it, in about a minute."""

import json

import cv2
import pytest
from processes import python


@pytest.fixture(scope='module')
def demo(tmp_path_factory):
    """Work dir, command and output of a first run."""
    root = tmp_path_factory.mktemp('demo')
    command = ['tools/demo.py', '--quick', '--work-dir', root / 'work']
    command += ['--data-root', root / 'data']
    return root, command, python(*command).stdout


def test_writes_everything(demo):
    root, _, output = demo
    work_dir = root / 'work'
    assert (work_dir / 'epoch_2.pth').exists()
    assert list(work_dir.glob('*/*.log'))
    names = (root / 'data/val/list.txt').read_text().split()
    assert len(names) == 3
    for name in names:
        assert (work_dir / f'results/{name}.txt').exists()
    (clip,) = work_dir.glob('Synthetic_Val_*_tracked.mp4')
    assert clip.stem.removesuffix('_tracked') in names
    for picture in ('success.png', f'{clip.stem}.png'):
        assert cv2.imread(str(work_dir / picture)) is not None
    video = cv2.VideoCapture(str(clip))
    assert video.get(cv2.CAP_PROP_FRAME_COUNT) == 12
    # beside a hidden list of what is ours
    shipped = sorted((work_dir / 'shipped').glob('[!.]*'))
    assert [path.suffix for path in shipped] == ['.mp4', '.png', '.txt']
    assert 'Mean IoU with the rendered truth: 0.' in output
    for row in ('SimTrack, trained', "another sequence's exemplar"):
        assert row in output


def test_metrics(demo):
    metrics = json.loads((demo[0] / 'work/metrics.json').read_text())
    keys = 'benchmark profile overall per_sequence baselines'.split()
    assert list(metrics) == keys
    baselines = metrics['baselines']
    assert list(baselines) == ['untrained', 'first_box', 'wrong_exemplar']
    keys = 'auc op50 op75 precision20 norm_precision_at_0_2 '
    keys += 'norm_precision_auc_0_0_5 ao sr_0_5 sr_0_75 '
    keys = {*keys.split(), 'mean_seq_average_overlap'}
    for scores in (metrics['overall'], *baselines.values()):
        assert set(scores) == keys
        assert 0 <= scores['ao'] <= 1 and 0 <= scores['auc'] <= 100
    # per cent and fractions of nearly the same thing
    still = baselines['first_box']
    assert still['auc'] == pytest.approx(100 * still['ao'], abs=15)


def test_a_second_run_uses_what_exists_and_tracks_a_clip_of_mine(demo):
    root, command, _ = demo
    frames = next((root / 'data/train').glob('Synthetic_Train_*'))
    first = (frames / 'groundtruth.txt').read_text().split()[0]
    before = (root / 'work/epoch_2.pth').stat().st_mtime_ns
    done = python(*command, '--video', frames, '--bbox', first)
    assert 'exists and is used again' in done.stdout
    assert 'Tracked Synthetic_Val' not in done.stdout + done.stderr
    assert (root / 'work/epoch_2.pth').stat().st_mtime_ns == before
    assert (root / f'work/{frames.name}_tracked.mp4').exists()
