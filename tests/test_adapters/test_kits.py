"""Our tracker inside the real toolkits, and their scores beside ours.

`make test-kits` installs them and runs this; MMSIMTRACK_KITS is their folder.
"""

import json
import os
import sys
from pathlib import Path

import numpy as np
import pytest
from processes import ROOT, python, run

from mmsimtrack.apis import SOTInferencer
from mmsimtrack.structures import aligned_iou, xywh_to_xyxy

KITS = os.environ.get('MMSIMTRACK_KITS')
MODEL = 'sim_s16-6l_real'  # comes with the package
NUM_FRAMES = 12

pytestmark = pytest.mark.skipif(
    not KITS, reason='MMSIMTRACK_KITS is not set: run `make test-kits`'
)


@pytest.fixture
def kits():
    """Folder of the toolkits."""
    return Path(KITS).resolve(strict=True)


@pytest.fixture(scope='module')
def clip(tmp_path_factory):
    """A folder of frames, their paths and boxes (x, y, w, h).

    A pattern that moves over noise, in a frame of GOT-10k's layout.
    """
    import cv2

    rng = np.random.default_rng(0)
    folder = tmp_path_factory.mktemp('got10k') / 'val/moving'
    folder.mkdir(parents=True)
    noise = rng.integers(60, 120, (120, 160, 3), np.uint8)
    pattern = np.kron(rng.integers(0, 255, (4, 4, 3)), np.ones((7, 7, 1)))
    boxes, paths = [], []
    for t in range(NUM_FRAMES):
        x, y = 30 + 5 * t, 40 + 2 * t
        frame = noise.copy()
        frame[y : y + 28, x : x + 28] = pattern
        paths.append(folder / f'{t + 1:08d}.jpg')
        cv2.imwrite(str(paths[-1]), frame, [cv2.IMWRITE_JPEG_QUALITY, 95])
        boxes.append((x, y, 28, 28))
    np.savetxt(folder / 'groundtruth.txt', boxes, '%d', ',')
    for name, value in (('absence', 0), ('cover', 8), ('cut_by_image', 0)):
        np.savetxt(folder / f'{name}.label', [value] * NUM_FRAMES, '%d')
    (folder / 'meta_info.ini').write_text(
        '[METAINFO]\nanno_fps: 10Hz\nresolution: (160, 120)\n'
    )
    (folder.parent / 'list.txt').write_text('moving\n')
    return folder, paths, np.array(boxes, float)


@pytest.fixture(scope='module')
def ours(clip):
    """Our own boxes xyxy and scores."""
    folder, _, boxes = clip
    result = SOTInferencer(MODEL, device='cpu')(folder, xywh_to_xyxy(boxes[0]))
    return result['bboxes'], result['scores']


def score(tmp_path, gt, results):
    """Overall scores of `score_results.py`."""
    out = tmp_path / 'metrics.json'
    folders = '--gt', gt, '--results', results, '--out', out
    tool = 'tools/analysis_tools/score_results.py'
    python(tool, *folders, '--benchmark', 'got10k')
    return json.loads(out.read_text())['overall']


def test_got10k(kits, clip, ours, tmp_path, monkeypatch):
    """GOT-10k's experiment, run and scored by its toolkit."""
    monkeypatch.syspath_prepend(str(kits / 'beside'))
    from got10k.experiments import ExperimentGOT10k

    from mmsimtrack.adapters.got10k import GOT10kTracker

    data_root = clip[0].parents[1]
    experiment = ExperimentGOT10k(
        str(data_root),
        subset='val',
        result_dir=str(tmp_path / 'results'),
        report_dir=str(tmp_path / 'reports'),
    )
    tracker = GOT10kTracker('ours', MODEL, device='cpu')
    experiment.run(tracker)
    kit = experiment.report(['ours'])['ours']['overall']
    results = tmp_path / 'results/GOT-10k/ours'
    boxes = np.loadtxt(results / 'moving/moving_001.txt', delimiter=',')
    np.testing.assert_allclose(xywh_to_xyxy(boxes), ours[0], atol=2e-3)
    found = score(tmp_path, data_root, results)
    print(f'\nGOT-10k toolkit: AO {kit["ao"]:.4f}, SR_0.5 {kit["sr"]:.4f}')
    print(f'score_results.py: AO {found["ao"]:.4f}, {found["sr_0_5"]:.4f}')
    assert kit['ao'] > 0.3
    assert kit['ao'] == pytest.approx(found['ao'], abs=1e-4)
    assert kit['sr'] == pytest.approx(found['sr_0_5'], abs=1e-4)


STACK = """title: check
experiments:
  baseline:
    type: multistart
    analyses:
      - type: multistart_average_ar
        name: ar
  unsupervised:
    type: unsupervised
    repetitions: 1
    analyses:
      - type: average_accuracy
        name: accuracy
        burnin: 1  # codespell:ignore burnin
"""


@pytest.fixture
def workspace(clip, kits, tmp_path):
    """A workspace of VOT's toolkit that needs no download."""
    folder, paths, boxes = clip
    sequence = tmp_path / 'sequences/moving'
    (sequence / 'color').mkdir(parents=True)
    for path in paths:
        (sequence / 'color' / path.name).symlink_to(path)
    np.savetxt(sequence / 'groundtruth.txt', boxes, '%d', ',')
    (sequence / 'sequence').write_text(
        'name=moving\nfps=30\nformat=default\nchannels.color=color/%08d.jpg\n'
    )
    anchors = [1, *[0] * (NUM_FRAMES - 1)]
    np.savetxt(sequence / 'anchor.value', anchors, '%d')
    (tmp_path / 'sequences/list.txt').write_text('moving\n')
    (tmp_path / 'stack.yaml').write_text(STACK)
    (tmp_path / 'config.yaml').write_text(
        'registry:\n- ./trackers.ini\nstack: stack.yaml\n'
        'sequences: sequences\n'
    )
    (tmp_path / 'trackers.ini').write_text(
        '[ours]\nlabel = ours\nprotocol = traxpython\n'
        'command = mmsimtrack.adapters.trax\n'
        f'paths = {ROOT}:{kits / "beside"}\n'
        f'python = {sys.executable}\ntimeout = 600\n'
        f'env_MMSIMTRACK_MODEL = {MODEL}\nenv_MMSIMTRACK_DEVICE = cpu\n'
    )
    return tmp_path


def test_vot(workspace, kits, clip, ours):
    """Evaluation and analysis of VOT's toolkit, over TraX."""
    vot = kits / 'bin/vot'
    analysis = ['analysis', 'ours', '--format', 'json', '--name', 'report']
    for command in (['evaluate', 'ours'], analysis):
        env = {**os.environ, 'VOT_RESULTS_BINARY': 'false'}
        start = vot, command[0], '--workspace', workspace
        result = run(*start, *command[1:], env=env)
        print(result.stdout[-2000:], result.stderr[-2000:])
    results = workspace / 'results/ours/unsupervised/moving'
    rows = (results / 'moving_001.txt').read_text().split()[1:]
    boxes = np.array([row.split(',') for row in rows], float)
    np.testing.assert_allclose(
        xywh_to_xyxy(boxes), ours[0][1:], rtol=0, atol=1e-2
    )
    scores = (results / 'moving_001_confidence.value').read_text().split()
    np.testing.assert_allclose(
        [float(s) for s in scores[-NUM_FRAMES + 1 :]], ours[1][1:], atol=1e-3
    )
    (report,) = (workspace / 'analysis').rglob('report.json')
    experiments = json.loads(report.read_text())['results']
    (accuracy,) = numbers(experiments['unsupervised']['results'])
    # the toolkit rounds x, y, w and h of each box before it compares them
    pixels = xywh_to_xyxy(np.round(boxes))
    overlap = aligned_iou(pixels, xywh_to_xyxy(clip[2][1:])).mean()
    print(f'VOT toolkit: accuracy {accuracy:.4f}; ours: {overlap:.4f}')
    assert accuracy == pytest.approx(overlap, abs=1e-4)
    # started once, from the first frame, it is the same run
    accuracy, robustness = numbers(experiments['baseline']['results'])[:2]
    print(f'multistart: accuracy {accuracy:.4f}, robustness {robustness}')
    assert accuracy > 0.5
    assert robustness == 1


def numbers(data):
    """All numbers in nested lists and dictionaries."""
    if isinstance(data, dict):
        data = list(data.values())
    if isinstance(data, list):
        return [x for part in data for x in numbers(part)]
    return [data] if isinstance(data, (int, float)) else []
