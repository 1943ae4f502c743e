"""The tool that checks data sets finds every wrong file."""

import json

import check_dataset as tool
import numpy as np
import pytest
import storage


@pytest.fixture
def run(run_tool, capsys):
    """Run it; exit code and lines."""

    def _run(*args):
        code = run_tool(tool, *args)
        return code, capsys.readouterr().out.splitlines()

    return _run


def options(cfg):
    """Command line for a data set."""
    return storage.check_arguments(cfg)[1:]


@pytest.mark.parametrize('name', sorted(storage.LAYOUTS))
def test_nothing_is_wrong(run, tmp_path, name):
    """Unpacked or in zip archives, decoded or not."""
    cfg = storage.make(name, tmp_path / 'data')
    unpacked = run(*options(cfg), '--workers', 2)
    assert unpacked[0] == 0
    assert unpacked[1][1].endswith(' 0 problems')
    assert run(*options(cfg), '--decode') == unpacked
    storage.pack_zips(name, tmp_path / 'data')
    assert run(*options(cfg)) == unpacked


def test_everything_is_found(run, tmp_path):
    cfg = storage.make('lasot', tmp_path)
    first, second = (tmp_path / f'airplane/airplane-{n}' for n in (10, 11))
    broken = {
        first / 'img/00000002.jpg': (None, 'is missing'),
        first / 'img/00000003.jpg': (None, 'is missing'),
        first / 'img/00000005.jpg': (b'', 'is empty, expected an image'),
        first / 'img/00000008.jpg': (b'404', 'is truncated or no image'),
        first / 'out_of_view.txt': (b'0,1', 'has 2 values, but'),
        first / 'full_occlusion.txt': (None, 'is missing'),
        second / 'groundtruth.txt': (b'1,2,3', "line 1: found '1 2 3'"),
        second / 'img/00000001.jpg': (b'', 'is empty, expected an image'),
    }
    for path, (content, _) in broken.items():
        if content is None:
            path.unlink()
        else:
            path.write_bytes(content)
    code, lines = run(*options(cfg))
    assert code == 1
    assert lines[0] == f'LaSOTDataset train in {tmp_path}:'
    assert lines[-1] == '  2 sequences, 14 frames, 8 problems'
    assert len(lines) == 10
    for path, (_, message) in broken.items():
        (line,) = [line for line in lines if line.startswith(str(path))]
        assert message in line


def test_sequences_that_are_not_there_are_one_line_each(run, tmp_path):
    cfg = storage.make('lasot', tmp_path)
    del cfg['indices']
    code, lines = run(*options(cfg))
    assert code == 1
    assert lines[-1] == '  1120 sequences, 16 frames, 1118 problems'
    path = f'{tmp_path}/airplane/airplane-12/img'
    assert lines[1].startswith(f'{path} is missing. Expected a folder')


def test_numbers_that_do_not_agree(run, tmp_path):
    cfg = storage.make('got10k', tmp_path)
    path = tmp_path / 'train/seq_1/groundtruth.txt'
    path.write_text('1,2,3,4\n' * 6)
    _, lines = run(*options(cfg))
    labels = '.label has 8 values, but the annotation beside it has 6'
    texts = f'absence{labels}', f'cover{labels}', 'seq_1 holds 8 frames, but'
    for message, line in zip(texts, lines[1:4]):
        assert message in line
    assert lines[4] == '  2 sequences, 16 frames, 3 problems'
    assert lines[5] == (
        '  Note: the complete set has 9335 sequences. Unpack the rest, or '
        'ignore this if you want a part.'
    )


def test_coco_and_only_decoding_finds_a_damaged_middle(run, tmp_path):
    cfg = storage.make('coco', tmp_path / 'coco')
    image = tmp_path / 'coco/train2017/000000581929.jpg'
    image.unlink()
    code, lines = run(*options(cfg))
    assert code == 1 and lines[1].startswith(f'{image} is missing')
    assert lines[2] == '  2 frames, 1 problems'
    cfg = storage.make('folder', tmp_path / 'own')
    path = tmp_path / 'own/INF_woman_1/shot 4.png'
    content = bytearray(path.read_bytes())
    content[40:60] = bytes(20)
    path.write_bytes(content)
    assert run(*options(cfg))[0] == 0
    code, lines = run(*options(cfg), '--decode')
    assert code == 1
    assert lines[1].startswith(f'{path} ')


def test_config(run, tmp_path):
    """Training and test sets, each once."""
    train = storage.make('got10k', tmp_path / 'a')
    test = storage.make('tnl2k', tmp_path / 'b')
    config = tmp_path / 'config.py'
    config.write_text(
        f'train_dataloader = dict(dataset=dict(type="PairDataset", '
        f'datasets=[{train}, {test}]))\n'
        f'val_dataloader = None\n'
        f'test_dataloader = dict(dataset={test})\n'
    )
    (tmp_path / 'b/INF_woman_1/imgs/00008.jpg').write_bytes(b'')
    code, lines = run(config)
    assert code == 1
    headers = [line for line in lines if line.endswith(':')]
    assert headers == [
        f'Got10kDataset train in {tmp_path}/a:',
        f'TNL2KDataset in {tmp_path}/b:',
    ]


WRONG_LINES = [
    ('', 'give a config, or --type'),
    ('config.py --type LaSOTDataset', 'give a config, or --type'),
    ('--type LaSOTDataset', '--type needs --data-root'),
    ('--type LaSOTDataset --data-root .', 'split is None, expected one'),
    ('--type Lasot --data-root .', 'Lasot is no data set of sequences. E'),
    ('--type PairDataset --data-root .', 'PairDataset is no data set of'),
]


@pytest.mark.parametrize('args, message', WRONG_LINES)
def test_wrong_command_line(run_tool, capsys, args, message):
    try:
        status = run_tool(tool, *args.split())
    except SystemExit as error:
        status = error.code
    done = capsys.readouterr()
    assert status and message in done.out + done.err


def boxes_xywh(seed, smallest):
    """Boxes within frames of 640 x 480 px, some at the borders."""
    rng = np.random.default_rng(seed)
    size = rng.uniform(smallest, 0.5, (400, 2)) * [640, 480]
    begin = rng.uniform(size=(400, 2)) * ([640, 480] - size)
    return np.hstack([begin, size])


MEANINGS = [
    ('', lambda b, s: np.hstack([b, s])),
    ('', lambda b, s: np.hstack([b + [30, -20], s])),
    ('', lambda b, s: np.hstack([b * 0, s * 2])),
    ('x1, y1, x2, y2', lambda b, s: np.hstack([b, b + s])),
    ('center x, center y, width', lambda b, s: np.hstack([b + s / 2, s])),
    ('fractions', lambda b, s: np.hstack([b, s]) / [640, 480, 640, 480]),
]


@pytest.mark.parametrize('smallest', [0.02, 0.2])
@pytest.mark.parametrize('seed', range(9))
@pytest.mark.parametrize('words, convert', MEANINGS)
def test_how_boxes_are_meant(words, convert, seed, smallest):
    found = convert(*np.split(boxes_xywh(seed, smallest), 2, axis=1))
    frame = np.tile([640, 480], (len(found), 1))
    guess = tool.guess_format(np.hstack([found, frame]))
    assert guess.startswith(words) and bool(guess) == bool(words)


@pytest.mark.parametrize('name', ['lasot', 'coco'])
def test_boxes_that_look_otherwise_are_told_of(run, tmp_path, name):
    cfg = storage.make(name, tmp_path)
    for path in tmp_path.rglob('groundtruth.txt'):
        rows = path.read_text().splitlines()
        path.write_text('.5,.25,.125,.5\n' * len(rows))
    for path in tmp_path.rglob('instances*.json'):
        content = json.loads(path.read_text())
        box = {**content['annotations'][0], 'bbox': [0.5, 0.25, 0.125, 0.5]}
        content['annotations'] = [{**box, 'id': i} for i in range(12)]
        path.write_text(json.dumps(content))
    _, lines = run(*options(cfg))
    text = '  Note: the boxes look like fractions of the frame. Expected x, y,'
    assert any(line.startswith(text) for line in lines)
