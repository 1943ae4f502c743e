import pytest

from mmsimtrack.evaluation.functional import (
    RefusedFile,
    get_profile,
    sequence_scores,
)
from mmsimtrack.evaluation.result_files import (
    file_errors,
    read_annotation,
    read_attributes,
)
from mmsimtrack.evaluation.sequence_files import SequenceFiles

GT = '1,1,10,10\n' * 4
META = '[METAINFO]\nurl: x\nresolution: (20, 20)\n'


@pytest.fixture
def score(tmp_path):
    """Score texts: file name -> content; flags and results by prefix."""

    def call(kit='stark', benchmark='custom', gt=GT, **texts):
        texts['gt'] = gt
        paths = {}
        for name, text in texts.items():
            ending = 'label' if name == 'cover' else 'txt'
            paths[name] = tmp_path / f'{name}.{ending}'
            paths[name].write_text(text)
        profile = get_profile(kit, benchmark)
        files = SequenceFiles(
            'a',
            paths['gt'],
            tuple(paths[x] for x in paths if x.startswith('result')),
            tuple(paths[x] for x in paths if x in ('absent', 'cover', 'oov')),
            paths.get('meta'),
        )
        errors = file_errors(files, benchmark, profile)
        return sequence_scores(errors, profile)

    return call


def refuse(score, message, **texts):
    with pytest.raises(RefusedFile, match=message) as error:
        score(**texts)
    assert '\n' not in str(error.value)


def test_runs_are_averaged(score):
    missed = '1,1,10,10\n' + '90,90,5,5\n' * 3
    assert score(result_1=GT, result_2=missed)['op50'] == 100 * (1 + 0.25) / 2


def test_flags_of_several_files(score):
    scores = score(
        'official', 'lasot', result=GT, absent='0,1,0,0', oov='0\n1\n1\n0\n'
    )
    assert scores['op50'] == 50
    # one flag too many, as in TNL2K, is not read
    scores = score('official', 'lasot', result=GT, absent='0,1,0,0,0')
    assert scores['op50'] == 75


@pytest.mark.parametrize(
    'kit, absent, expected',
    [
        ('official', {}, (75, 75, 75)),
        ('official', {'absent': '0,1,0,0'}, (75, 75, 75)),
        # as the Matlab code: invalid, but not absent
        ('official', {'absent': '0,0,0,0'}, (75, 100, 100)),
        ('stark', {}, (75, 75, 100)),
    ],
)
def test_boxes_of_zeros_in_vasttrack(score, kit, absent, expected):
    gt = '1,1,10,10\n0,0,0,0\n' + '1,1,10,10\n' * 2
    scores = score(kit, 'vasttrack', gt, result=GT, **absent)
    keys = 'op50', 'precision20', 'norm_precision_at_0_2'
    assert tuple(scores[key] for key in keys) == expected


def test_got10k(score):
    result = '1,1,10,10\n1,1,10,5\n1,1,10,10\n50,50,1,1\n'
    scores = score('got10k', result=result, cover='0\n8\n8\n0\n', meta=META)
    assert scores == {'ao': 0.75, 'sr_0_5': 0.5, 'sr_0_75': 0.5}
    # cut at the border of 20 px: IoU 1
    gt, result = '1,1,5,5\n10,10,10,10\n', '1,1,5,5\n10,10,99,99\n'
    assert score('got10k', gt=gt, result=result, meta=META)['ao'] == 1
    assert score('got10k', gt=gt, result=result)['ao'] < 0.1


def test_missing_result_on_the_server(score):
    scores = score('trackingnet', 'trackingnet')
    assert scores['coverage'] == 25
    # zero overlap reaches the threshold 0: half a trapezoid of 20
    assert scores['success_auc'] == pytest.approx(25 + 75 / 40)


def test_refusals(score):
    refuse(score, r"result\.txt: line 2: found '1;1'", result='1,1,5,5\n1;1\n')
    refuse(
        score,
        r'result\.txt: line 3: found \[1.0, 1.0, -5.0, 5.0\], expected finite',
        result='1,1,5,5\n\n1,1,-5,5\n' + '1,1,5,5\n' * 2,
    )
    refuse(score, r'gt\.txt: is empty', gt='', result=GT)
    nan = 'NaN,NaN,NaN,NaN\n' + GT
    message = r'gt\.txt: line 1: .* expected no NaN'
    refuse(score, message, gt=nan, result=GT, benchmark='nfs')
    refuse(
        score,
        r'result\.txt: found 1 rows in the result, expected 4',
        kit='official',
        result='1,1,5,5\n',
    )
    for flags in ('0,1,0', '0,1,0,0,1', '0,x,0,0'):
        refuse(score, r'absent\.txt: ', result=GT, absent=flags)
    refuse(
        score,
        r'meta\.txt: found no .resolution: \(W, H\).',
        kit='got10k',
        result=GT,
        meta='[METAINFO]\nurl: x\n',
    )


@pytest.mark.parametrize('benchmark', ['got10k', 'trackingnet'])
def test_first_boxes_cannot_be_scored(score, benchmark):
    message = r'gt\.txt: holds the first box only\. Let the server'
    one = '1,1,10,10\n'
    meta = {'meta': META} if benchmark == 'got10k' else {}
    kwargs = dict(kit=benchmark, benchmark=benchmark, gt=one, **meta)
    refuse(score, message, result=GT, **kwargs)


@pytest.mark.parametrize(
    ('name', 'expected'), [('groundtruth.txt', 75), ('a.txt', 100)]
)
def test_zeros_are_absent_in_tnl2k_as_downloaded(tmp_path, name, expected):
    """In the flat folder of its kit, flags say what is absent."""
    gt = tmp_path / 'gt/a' / name
    gt.parent.mkdir(parents=True)
    gt.write_text('1,1,10,10\n0,0,0,0\n' + '1,1,10,10\n' * 2)
    (tmp_path / 'a.txt').write_text(GT)
    profile = get_profile('official', 'tnl2k')
    files = SequenceFiles('a', gt, (tmp_path / 'a.txt',))
    scores = sequence_scores(file_errors(files, 'tnl2k', profile), profile)
    assert scores['precision20'] == expected


def test_annotations_with_rows_that_do_not_count(tmp_path):
    path = tmp_path / 'Tiger1.txt'
    path.write_text(''.join(f'{row},1,5,5\n' for row in range(354)))
    boxes = read_annotation(path, 'Tiger1', 'otb100')
    assert boxes[[0, -1], 0].tolist() == [5, 353]
    assert len(read_annotation(path, 'Tiger1', 'custom')) == 354
    # of any sequence that begins later, but of no others
    path.write_text(''.join(f'{row},1,5,5\n' for row in range(1, 771)))
    boxes = read_annotation(path, 'David', 'otb100')
    assert boxes[[0, -1], 0].tolist() == [300, 770]
    for name in ('Tiger1', 'Deer', 'unknown'):
        assert len(read_annotation(path, name, 'otb100')) == 770
    path = tmp_path / '30' / 'ball.txt'
    path.parent.mkdir()
    path.write_text(''.join(f'0 {x} 1 {x + 5} 7 {x} 0\n' for x in range(17)))
    assert read_annotation(path, 'ball', 'nfs').tolist() == [
        [x, 1, 5, 6] for x in (0, 8, 16)
    ]
    # with its frames beside it: the last box may have none
    frames = path.with_suffix('')
    frames.mkdir()
    for num_frames, num_boxes in ((1, 3), (2, 2), (3, 3), (4, 3)):
        (frames / f'{num_frames:05d}.jpg').touch()
        assert len(read_annotation(path, 'ball', 'nfs')) == num_boxes
    # one that is missing in the middle has a box too
    (frames / '00004.jpg').unlink()
    (frames / '00002.jpg').unlink()
    assert len(read_annotation(path, 'ball', 'nfs')) == 3


@pytest.mark.parametrize(
    ('num_frames', 'num_boxes'), [(0, 3), (2, 2), (3, 3), (1, 3)]
)
def test_a_row_of_tnl2k_without_frame(tmp_path, num_frames, num_boxes):
    path = tmp_path / 'groundtruth.txt'
    path.write_text('1,1,5,5\n' * 3)
    (tmp_path / 'imgs').mkdir()
    for number in range(num_frames):
        (tmp_path / f'imgs/{number}.png').touch()
    name = 'advSamp_monitor_bikeyellow'
    assert len(read_annotation(path, name, 'tnl2k')) == num_boxes
    assert len(read_annotation(path, 'cat', 'tnl2k')) == 3


def test_results_of_a_whole_video_of_otb(tmp_path):
    """Of Tiger1, kits use the last 349 of 354 rows; of results, too."""
    rows = [f'{10 + row},1,5,5\n' for row in range(354)]
    paths = tmp_path / 'gt.txt', tmp_path / 'out.txt'
    for path in paths:
        path.write_text(''.join(rows))
    profile = get_profile('got10k', 'otb100')
    files = SequenceFiles('Tiger1', paths[0], (paths[1],))
    scores = sequence_scores(file_errors(files, 'otb100', profile), profile)
    assert scores['op75'] == 100


def test_custom_data_as_the_test_sees_them(tmp_path):
    """A target without a box is absent; the kit of LaSOT has flags."""
    gt = tmp_path / 'groundtruth.txt'
    gt.write_text('1,1,9,9\n0,0,0,0\n2,2,0,9\nNaN,NaN,NaN,NaN\n1,1,9,9\n')
    (tmp_path / 'a.txt').write_text('1,1,9,9\n' * 5)
    files = SequenceFiles('a', gt, (tmp_path / 'a.txt',))
    for kit, key, expected in (
        ('official', 'precision20', 40),
        ('got10k', 'ao', 1),
    ):
        profile = get_profile(kit, 'custom')
        errors = file_errors(files, 'custom', profile)
        assert sequence_scores(errors, profile)[key] == expected


def test_attributes(tmp_path):
    (tmp_path / 'a.txt').write_text('1,0\n')
    (tmp_path / 'b_attribute.txt').write_text('0\n1\n')
    names, table = read_attributes(tmp_path, ['a', 'b'], ['IV', 'OV'])
    assert names == ['IV', 'OV']
    assert {key: row.tolist() for key, row in table.items()} == {
        'a': [True, False],
        'b': [False, True],
    }
    with pytest.raises(RefusedFile, match=r'a\.txt: found 2 values, exp.* 1:'):
        read_attributes(tmp_path, ['a'], ['IV'])
    with pytest.raises(RefusedFile, match=r'names\.txt: is missing\. Write'):
        read_attributes(tmp_path, ['a'], None)
    (tmp_path / 'names.txt').write_text('fast\nslow\n')
    assert read_attributes(tmp_path, ['a'], None)[0] == ['fast', 'slow']
