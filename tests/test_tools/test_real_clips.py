import json

import cv2
import numpy as np
import pytest
import real_clips as tool
from layouts import make_got10k, make_lasot, make_otb100, make_uav123

from mmsimtrack.fileio import write_bboxes_xywh
from mmsimtrack.structures import xyxy_to_xywh


@pytest.fixture
def clips(tmp_path):
    """A folder with a short clip."""
    make_lasot(tmp_path / 'clips', num_sequences=1)
    return tmp_path / 'clips'


def test_clips_of_all_layouts_are_found(tmp_path):
    make_got10k(tmp_path / 'a', num_sequences=1)
    make_lasot(tmp_path / 'b', num_sequences=1)
    make_otb100(tmp_path / 'c')
    make_uav123(tmp_path / 'c2')
    frames = tmp_path / 'c2/data_seq/UAV123'
    (video,) = frames.iterdir()
    video.rename(frames / 'uav6')
    (frames, *_) = make_got10k(tmp_path / 'd', num_sequences=1)
    found = list(tool.find_clips(tmp_path))
    names = [clip.name for clip in found]
    assert names == ['seq_0', 'airplane-10', 'Deer', 'uav6', 'seq_0']
    assert found[0].bboxes[1].tolist() == [17, 13, 33, 25]
    assert found[2].frames[0].shape == (48, 64, 3)
    assert len(found[3].frames) == 109
    (frames / '00000008.jpg').unlink()
    with pytest.raises(ValueError, match='groundtruth.txt has 8 boxes for 7'):
        list(tool.find_clips(tmp_path / 'd'))


def test_scores_by_hand():
    """Half of the target, all of it, none of it, and no target."""
    truth = np.array([[0, 0, 10, 10.0]] * 3 + [[np.nan] * 4])
    pred = np.array([[0, 0, 10, 5.0], *truth[:2] * 1])
    pred = np.concatenate([pred, [[0, 0, 10, 10]]])
    pred[2] += 100
    found = tool.score(tool.Clip('x', [None] * 4, truth), pred)
    # thresholds below 0.5 and below 1; both NaN and none are misses
    assert found['auc'] == pytest.approx(100 * (10 + 20) / 21 / 4)
    assert found['precision'] == 50


def test_variants_move_the_boxes_with_the_pixels(clips):
    (clip,) = tool.find_clips(clips)
    for kind, change in tool.VARIANTS.items():
        changed = change(clip)
        for frame, bbox in zip(changed.frames, changed.bboxes):
            x1, y1, x2, y2 = bbox.astype(int)
            inside = frame[y1 + 2 : y2 - 2, x1 + 2 : x2 - 2, 0]
            assert inside.min() > 150 and np.median(frame[..., 0]) < 100, kind
    assert len(tool.halved(clip).frames) == 4


def test_tool(run_tool, clips, tmp_path, capsys):
    (clip,) = tool.find_clips(clips)
    results, out = tmp_path / 'results', tmp_path / 'out.json'
    results.mkdir()
    file = results / f'{clip.name}.txt'
    write_bboxes_xywh(file, xyxy_to_xywh(clip.bboxes))
    folders = ('--sheets', tmp_path / 'sheets', '--save-variants', tmp_path)
    run_tool(tool, clips, results, '--baselines', *folders, '--out', out)
    content = json.loads(out.read_text())
    assert content['results']['mean']['precision'] == 100
    assert content['first box']['mean']['auc'] < 80
    assert '| results | 95.2 | 95.2 | 100.0 | ' in capsys.readouterr().out
    sheet = cv2.imread(str(tmp_path / f'sheets/{clip.name}.jpg'))
    assert sheet.shape == (4 * 240, 4 * 320, 3)
    (saved,) = tool.find_clips(tmp_path / 'mirrored')
    np.testing.assert_array_equal(saved.frames, tool.mirrored(clip).frames)


def test_models_and_variants(run_tool, clips, tmp_path):
    out = tmp_path / 'out.json'
    run_tool(tool, clips, 'sim_t16_real', '--variants', '--out', out)
    content = json.loads(out.read_text())
    names = ['model', *(f'model, {kind}' for kind in tool.VARIANTS)]
    assert list(content) == names
    assert all(0 <= row['mean']['auc'] <= 100 for row in content.values())
