import cv2
import numpy as np
import pytest
import results
from layouts import make_got10k, make_tnl2k
from reports import write_scores


@pytest.fixture
def tracked(tmp_path):
    """A tracked data set of one's own: config and work dir."""
    make_tnl2k(tmp_path / 'data', ['good', 'bad one'], num_frames=6)
    config = tmp_path / 'config.py'
    config.write_text(
        'test_dataloader = dict(dataset=dict(type="TNL2KDataset", '
        f'data_root="{tmp_path}/data", test_mode=True))\n'
    )
    work_dir = tmp_path / 'work'
    (work_dir / 'results').mkdir(parents=True)
    for name in ('good', 'bad one'):
        path = tmp_path / f'data/{name}/groundtruth.txt'
        boxes = np.loadtxt(path, delimiter=',')
        if name == 'bad one':
            boxes[2:] = (0, 0, 2, 2)
        np.savetxt(work_dir / f'results/{name}.txt', boxes, '%g', ',')
    each = {'good': {'auc': 95.0}, 'bad one': {'auc': 30.0}}
    write_scores(work_dir / 'metrics.json', [62.0], per_sequence=each)
    return config, work_dir


def test_page_of_worst_sequences(tracked, tmp_path, capsys):
    config, work_dir = map(str, tracked)
    out = tmp_path / 'worst'
    options = ['--out-dir', str(out), '--num-frames', '4']
    assert results.main(['worst', config, work_dir, *options]) == 0
    page = (out / 'index.html').read_text()
    assert page.index('bad one: auc 30') < page.index('good: auc 95')
    assert 'overlap below 0.1 from #2 on, 4 frames' in page
    assert '<p>6 frames</p>' in page  # never lost
    assert 'src="bad%20one.jpg"' in page
    sheet = cv2.imread(str(out / 'bad one.jpg'))
    assert sheet.shape == (240, 4 * 320, 3)
    assert cv2.imread(str(out / 'bad one_overlap.png')).shape[1] == 1280
    assert len(list(out.iterdir())) == 5
    options += ['--num-sequences', '1']
    results.main(['worst', config, work_dir, *options])
    assert 'good' not in (out / 'index.html').read_text()


def test_longest_loss():
    visible = np.ones(9, bool)
    overlaps = np.array([1, 0, 0, 1, 0.05, 0, 0, 0.09, 0.1])
    assert results.longest_loss(overlaps, visible) == (4, 4)
    # frames without target neither count nor end it
    visible[[2, 3]] = False
    assert results.longest_loss(overlaps, visible) == (1, 5)
    assert results.longest_loss(np.ones(3), visible[:3]) == (0, 0)
    assert results.choose_frames(9, 4, [5]) == [0, 4, 5, 8]
    assert results.choose_frames(10, 4, []) == [0, 3, 6, 9]
    assert results.choose_frames(2, 4, [0]) == [0, 1]


def unlink(work_dir):
    (work_dir / 'results/good.txt').unlink()


def shorten(work_dir):
    (work_dir / 'results/good.txt').write_text('1,2,3,4\n')


def rescore(work_dir):
    write_scores(work_dir / 'metrics.json', [1.0])


def empty_config(work_dir):
    (work_dir.parent / 'config.py').write_text('model = None')


def first_boxes(work_dir):
    """A test set whose server alone knows the other boxes."""
    root = work_dir.parent
    make_got10k(root / 'server', 'test', num_sequences=1, num_frames=4)
    dataset = dict(type='Got10kDataset', split='test')
    dataset['data_root'] = f'{root}/server'
    text = f'test_dataloader = dict(dataset={dataset})'
    (root / 'config.py').write_text(text)
    (work_dir / 'results/seq_0.txt').write_text('1,2,3,4\n' * 4)
    each = {'seq_0': {'auc': 1.0}}
    write_scores(work_dir / 'metrics.json', [1.0], per_sequence=each)


NOT_WHOLE = [
    (unlink, 'results/good.txt: is missing. Track the sequence'),
    (shorten, 'good.txt has 1 boxes, expected 6, one per frame'),
    (rescore, 's0 is in the report, but not in '),
    (lambda work_dir: (work_dir.parent / 'config.py').unlink(), 'config'),
    (empty_config, 'has no test_dataloader. Give the config of the te'),
    (first_boxes, 'seq_0 has 1 boxes, expected 4'),
]


@pytest.mark.parametrize('break_it, message', NOT_WHOLE)
def test_pages_need_whole_tests(tracked, tmp_path, capsys, break_it, message):
    config, work_dir = tracked
    break_it(work_dir)
    options = ['--out-dir', str(tmp_path / 'worst')]
    assert results.main(['worst', str(config), str(work_dir), *options]) == 2
    assert message in capsys.readouterr().err
    assert not (tmp_path / 'worst').exists()


def test_results_and_data_elsewhere(tracked, tmp_path, capsys):
    """A report, the first run of another tracker, and a setting."""
    config, work_dir = tracked
    other = tmp_path / 'other'
    other.mkdir()
    for path in (work_dir / 'results').iterdir():
        path.rename(other / f'{path.stem}_001.txt')
    (tmp_path / 'data').rename(tmp_path / 'moved')
    out = tmp_path / 'worst'
    command = ['worst', str(config), str(work_dir / 'metrics.json')]
    command += ['--out-dir', str(out), '--results', str(other)]
    assert results.main(command) == 2
    assert f'{tmp_path}/data does not exist' in capsys.readouterr().err
    moved = f'test_dataloader.dataset.data_root={tmp_path}/moved'
    assert results.main([*command, '--cfg-options', moved]) == 0
    page = (out / 'index.html').read_text()
    assert '<title>work: lowest auc</title>' in page
