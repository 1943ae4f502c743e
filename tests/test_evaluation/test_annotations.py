"""Annotations in every layout, without frames."""

import pytest
from layouts import split_rows

from mmsimtrack.evaluation import OPEMetric
from mmsimtrack.evaluation.annotations import read_annotations, read_attributes
from mmsimtrack.evaluation.functional import RefusedFile, get_profile

ROWS = '1,1,10,10\n' * 4
META = '[METAINFO]\nurl: x\nresolution: (20, 20)\n'


def write(root, **files):
    """Write texts; `a__b__c` is `a/b/c.txt`."""
    for name, text in files.items():
        touch(root, name.replace('__', '/') + '.txt', text=text)


def touch(root, *names, text=ROWS):
    for name in names:
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)


def find(root, benchmark, kit=None, **options):
    """Annotation files by sequence."""
    profile = get_profile(kit or 'stark', benchmark)
    found = read_annotations(root, benchmark, profile, **options)
    files = {each['name']: each['annotation'] for each in found}
    return {name: str(file.relative_to(root)) for name, file in files.items()}


# of files; what else lies there and is no annotation
LAYOUTS = [
    'custom {}.txt list.txt',
    'custom {}/groundtruth.txt list.txt',
    'lasot {}.txt att/d-2.txt',
    'lasot {1}/{0}/groundtruth.txt',
    'lasot_ext {}/groundtruth.txt',
    'tnl2k {}/groundtruth.txt',
    'vasttrack {1}/{0}/Groundtruth.txt',
    'vasttrack test/{1}/{0}/Groundtruth.txt c/c-1/Groundtruth.txt '
    'e/e-1/Groundtruth.txt',
    'got10k val/{}/groundtruth.txt train/e/groundtruth.txt val/list.txt',
    'got10k {}/groundtruth.txt list.txt',
    'trackingnet TEST/anno/{}.txt',
    'trackingnet anno/{}.txt',
    'uav123 anno/{}.txt',
    'nfs anno/nfs_{}.txt d-2/30/d-2.txt',
    'nfs nfs_{}.txt',
]


@pytest.mark.parametrize('layout', LAYOUTS)
def test_layouts(tmp_path, layout):
    benchmark, pattern, *others = layout.split()
    expected = {x: pattern.format(x, x[0]) for x in ('c-1', 'd-2')}
    touch(tmp_path, *expected.values(), *others)
    assert find(tmp_path, benchmark) == expected


def test_layout_of_otb(tmp_path):
    """Annotations are as long as the ranges of their sequences."""
    expected = {
        'Deer': 'Deer/groundtruth_rect.txt',
        'Jogging-2': 'Jogging/groundtruth_rect.2.txt',
    }
    for file, length in zip(expected.values(), (71, 307)):
        touch(tmp_path, file, text='1,1,5,5\n' * length)
    assert find(tmp_path, 'otb100') == expected


def test_nfs_as_downloaded(tmp_path):
    touch(tmp_path, 'a/30/a.txt', text='0 1 1 6 7 0 0\n' * 17)
    touch(tmp_path, 'b/240/b.txt')
    (found,) = read_annotations(tmp_path, 'nfs', get_profile('stark', 'nfs'))
    assert found['gt_xywh'].tolist() == [[1, 1, 5, 6]] * 3


def test_the_official_list_is_taken_out_of_more(tmp_path, logged):
    names = split_rows('lasot_test')
    touch(tmp_path, *(f'{x}.txt' for x in names[1:]))
    assert len(find(tmp_path, 'lasot')) == len(names) - 1
    assert logged[0] == (
        f'{tmp_path} has {len(names) - 1} of the {len(names)} official '
        f'sequences, and not {names[0]}: no official number'
    )
    touch(tmp_path, 'cat-99.txt')  # UAV20L and others have their own names
    assert len(find(tmp_path, 'lasot')) == len(names)
    touch(tmp_path, f'{names[0]}.txt')
    assert list(find(tmp_path, 'lasot')) == names
    # names that are asked for need not be in the list
    assert list(find(tmp_path, 'lasot', names=['cat-99 1 2'])) == ['cat-99']


def scores(root, kit='official', benchmark='lasot', **options):
    profile = get_profile(kit, benchmark)
    gt = root / 'gt'
    sequences = read_annotations(gt, benchmark, profile, **options)
    metric = OPEMetric(root / 'out', benchmark, kit, adds_ao=False)
    _, content = metric.score(sequences)
    return content['overall']


@pytest.fixture
def root(tmp_path):
    """A flat folder and results of two runs, of which one fails."""
    missed = '1,1,10,10\n' + '90,90,5,5\n' * 3
    write(tmp_path, gt__a=ROWS, out__a_001=ROWS, out__a_002=missed)
    return tmp_path


def test_runs_are_averaged(root):
    assert scores(root, 'stark')['op50'] == 100 * (1 + 0.25) / 2


FLAGS = [
    (dict(gt__absent__a='0,1,0,0'), False),
    # one flag too many, as in TNL2K, is not read
    (dict(gt__absent__a='0,1,0,0,0'), False),
    (dict(flags__a='0\n1\n0\n0\n'), True),
    *(
        (dict.fromkeys([f'flags__a__{x}' for x in flags], '0,1,0,0'), True)
        for flags in (['out_of_view'], ['out_of_view', 'full_occlusion'])
    ),
    # for a download that lacks them
    ({'flags__c-1': '0,1,0,0', 'gt__c__c-1__groundtruth': ROWS}, True),
]


@pytest.mark.parametrize('files, absent', FLAGS)
def test_flags(tmp_path, files, absent):
    name = 'c-1' if 'flags__c-1' in files else 'a'
    gt = {'gt__a': ROWS} if name == 'a' else {}
    write(tmp_path, **gt, **files, **{f'out__{name}': ROWS})
    options = {'absent': tmp_path / 'flags'} if absent else {}
    assert scores(tmp_path, **options)['op50'] == 75


def test_what_stands_in_for_flags(root, logged):
    scores(root)
    scores(root, benchmark='vasttrack')
    scores(root, 'stark', 'uav123', absent=root)
    gt = f'{root}/gt has no flags'
    assert [line for line in logged if 'overlap' not in line] == [
        f'{gt}: every target counts as visible. The official numbers need '
        'them: give --absent.',
        f'{gt}: a box of zeros is an absent target',
        f'{root}: absent flags are ignored, the profile reads none',
    ]


ZEROS = [
    ('vasttrack', 'a.txt', None, 75),
    # as the Matlab code: invalid, but not absent
    ('vasttrack', 'a.txt', '0,0,0,0', 100),
    # in the flat folder of its kit, flags say what is absent
    ('tnl2k', 'a.txt', None, 100),
    ('tnl2k', 'a/groundtruth.txt', None, 75),
    ('custom', 'a/groundtruth.txt', None, 75),
]


@pytest.mark.parametrize('benchmark, file, absent, expected', ZEROS)
def test_boxes_of_zeros(tmp_path, benchmark, file, absent, expected):
    touch(tmp_path, f'gt/{file}', text='1,1,9,9\n0,0,0,0\n' + '1,1,9,9\n' * 2)
    write(tmp_path, out__a='1,1,9,9\n' * 4)
    options = {}
    if absent:
        write(tmp_path, flags__a=absent)
        options['absent'] = tmp_path / 'flags'
    found = scores(tmp_path, benchmark=benchmark, **options)
    assert found['precision20'] == expected


def test_got10k(tmp_path, logged):
    rows = '1,1,10,10\n1,1,10,5\n1,1,10,10\n50,50,1,1\n'
    write(tmp_path, gt__a__groundtruth=ROWS, out__a=rows)
    folder = tmp_path / 'gt/a'
    (folder / 'cover.label').write_text('0\n8\n8\n0\n')
    (folder / 'absence.label').write_text('0\n0\n1\n0\n')  # not read
    expected = {'ao': 0.75, 'sr_0_5': 0.5, 'sr_0_75': 0.5}
    assert scores(tmp_path, 'got10k', 'got10k') == expected
    assert logged[0] == (
        f'{tmp_path}/gt lacks meta_info.ini: boxes are clipped to x, y >= 0 '
        'only'
    )
    (folder / 'meta_info.ini').write_text(META)
    # cut at the border of 20 px: IoU 1
    write(
        tmp_path,
        gt__a__groundtruth='1,1,5,5\n10,10,10,10\n' * 2,
        out__a='1,1,5,5\n10,10,99,99\n' * 2,
    )
    assert scores(tmp_path, 'got10k', 'got10k')['ao'] == 1
    (folder / 'meta_info.ini').write_text(META[:17])
    with pytest.raises(RefusedFile, match=r'found no .resolution: \(W, H\).'):
        scores(tmp_path, 'got10k', 'got10k')


def test_missing_result_on_the_server(root):
    write(root, gt__b=ROWS, out__a=ROWS)
    found = scores(root, 'trackingnet', 'trackingnet')
    assert found['coverage'] == (100 + 25) / 2
    # zero overlap reaches the threshold 0: half a trapezoid of 20
    assert found['success_auc'] == pytest.approx((100 + 25 + 75 / 40) / 2)


@pytest.mark.parametrize('benchmark', ['got10k', 'trackingnet'])
def test_first_boxes_cannot_be_scored(tmp_path, benchmark):
    write(tmp_path, gt__a='1,1,5,5\n', out__a=ROWS)
    message = r'gt/a\.txt: holds the first box only\. Let the server'
    with pytest.raises(RefusedFile, match=message):
        scores(tmp_path, benchmark, benchmark)


def test_a_whole_video_of_otb(tmp_path):
    """Of Tiger1, kits use the last 349 of 354 rows; of results, too."""
    rows = ''.join(f'{10 + row},1,5,5\n' for row in range(354))
    write(tmp_path, gt__Tiger1=rows, out__Tiger1=rows)
    assert scores(tmp_path, 'got10k', 'otb100')['op75'] == 100
    profile = get_profile('stark', 'otb100')
    (found,) = read_annotations(tmp_path / 'gt', 'otb100', profile)
    assert found['gt_xywh'][[0, -1], 0].tolist() == [15, 363]


# what is told of files, or of options
REFUSALS = [
    (r"out/a\.txt: line 1: found '1 1 5'", dict(out__a='1,1,5\n')),
    (
        r'a\.txt: line 3: found \[1.0, 1.0, -5.0, 5.0\], expected fini',
        dict(out__a='1,1,5,5\n\n1,1,-5,5\n' + ROWS, kit='stark'),
    ),
    (r'gt/a\.txt: is empty', dict(gt__a='')),
    (
        r'gt/a\.txt: line 1: .* expected no NaN',
        dict(gt__a='NaN,NaN,NaN,NaN\n' + ROWS, kit='stark', benchmark='nfs'),
    ),
    ('found 1 rows in the result, exp.* 4', dict(out__a='1,1,5,5\n')),
    (r'absent/a\.txt: found 3 flags', dict(gt__absent__a='0,1,0')),
    (r'absent/a\.txt: found 5 fl', dict(gt__absent__a='0,1,0,0,1')),
    (r'absent/a\.txt, line 1: |a\.t', dict(gt__absent__a='0,x,0,0')),
    (r'out/b\.txt: is missing\. Track', dict(gt__b=ROWS)),
    (
        r'gt/absent/b\.txt: is missing\. Unpack the flags',
        dict(gt__b=ROWS, out__b=ROWS, gt__absent__a='0,0,0,0'),
    ),
    (
        r"out/a_001\.txt: is a run of 'a', or the result of 'a_001'\. Na",
        dict(gt__a_001=ROWS, benchmark='custom'),
    ),
    ("no annotation of 'c' is there", dict(names=['c'])),
]


@pytest.mark.parametrize('message, given', REFUSALS)
def test_refusals(root, message, given):
    options = {k: v for k, v in given.items() if '__' not in k}
    write(root, **{k: v for k, v in given.items() if k not in options})
    with pytest.raises(RefusedFile, match=message) as error:
        scores(root, **options)
    assert '\n' not in str(error.value)


def test_empty_folders(root):
    (root / 'out').rename(root / 'gone')
    with pytest.raises(RefusedFile, match='out: no result is there. Correct'):
        scores(root, 'trackingnet', 'trackingnet')
    (root / 'gt/a.txt').unlink()
    with pytest.raises(RefusedFile, match='gt: no annotation is there'):
        scores(root)


def test_attributes(tmp_path):
    row = '1' + ',0' * 10
    write(tmp_path, a=row, b_attribute=row.replace(',', '\n'))
    names, table = read_attributes(tmp_path, ['a', 'b'], 'otb100')
    assert names[0] == 'IV'
    assert table['a'].tolist() == table['b'].tolist() == [True] + 10 * [False]
    message = r'a\.txt: found 11 values, exp.* 14'
    with pytest.raises(RefusedFile, match=message):
        read_attributes(tmp_path, ['a'], 'lasot')
    with pytest.raises(RefusedFile, match=r'names\.txt: is missing\. Write'):
        read_attributes(tmp_path, ['a'], 'nfs')
    write(tmp_path, names='\n'.join('abcdefghijk'))
    assert read_attributes(tmp_path, ['a'], 'nfs')[0] == list('abcdefghijk')


@pytest.mark.parametrize('file', ['paddle-1.txt', 'paddle-1/groundtruth.txt'])
def test_paddle_1_ends_as_in_the_kit(tmp_path, file):
    """2,703 boxes are published; kit and results of others have 2,500."""
    touch(tmp_path, f'gt/{file}', text='1,1,9,9\n' * 2703)
    if '/' in file:
        names = 'gt/paddle-1/full_occlusion.txt', 'gt/paddle-1/out_of_view.txt'
        touch(tmp_path, *names, text='0,' * 2702 + '0')
    write(tmp_path, **{'out__paddle-1': '1,1,9,9\n' * 2500})
    found = scores(tmp_path, benchmark='lasot_ext')
    assert found['precision20'] == 100


MASKS = [
    ('a.txt', '1,1,10,10\n0,0,0,0\n'),  # SAMURAI, an empty mask
    ('a.txt', '1.00,1.00,10.00,10.00\n' + '-1.00,' * 3 + '-1.00\n'),
    ('a/a.txt', '1 1 10 10\n0 0 0 0\n'),  # SAM2-Plus
]


@pytest.mark.parametrize('file, rows', MASKS)
def test_results_of_trackers_of_masks(tmp_path, file, rows):
    """The official kit repeats the box before an empty mask."""
    touch(tmp_path, f'out/{file}', text=rows * 2)
    write(tmp_path, gt__a=ROWS)
    assert scores(tmp_path)['op50'] == 100
