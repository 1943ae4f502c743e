import pytest

from mmsimtrack.evaluation.functional import RefusedFile
from mmsimtrack.evaluation.results import find_results


@pytest.mark.parametrize(
    ('name', 'files', 'expected'),
    [
        ('a', 'a.txt a_001.txt', 'a.txt'),
        ('b', 'b_001.txt b_002.txt b_time.txt', 'b_001.txt b_002.txt'),
        (
            'c',
            'c/c_001.txt c/c_003.txt c/c_time.txt',
            'c/c_001.txt c/c_003.txt',
        ),
        # of pytracking
        ('airboard_1', 'nfs_airboard_1.txt', 'nfs_airboard_1.txt'),
        ('bike1', 'uav_bike1_001.txt', 'uav_bike1_001.txt'),
        ('Jogging-1', 'Jogging_1.txt', 'Jogging_1.txt'),
        ('dog', 'nfs_dog/nfs_dog.txt', 'nfs_dog/nfs_dog.txt'),
    ],
)
def test_results(tmp_path, name, files, expected):
    for file in files.split():
        (tmp_path / file).parent.mkdir(exist_ok=True)
        (tmp_path / file).touch()
    found = find_results(tmp_path, name)
    assert [str(x.relative_to(tmp_path)) for x in found] == expected.split()


def test_no_result(tmp_path):
    with pytest.raises(RefusedFile, match=r'd\.txt: is missing\. Track'):
        find_results(tmp_path, 'd')
    assert find_results(tmp_path, 'd', optional=True) == ()
