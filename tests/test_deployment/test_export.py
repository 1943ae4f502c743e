"""Exported networks give the boxes of torch, for any number of targets.

`make test-export` names a file in MMSIMTRACK_EXPORT: then the networks of the
zoo are exported in full size, not made small, except those that it lists.
"""

import json
import os
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch
from test_configs import ALL, load, shrink_backbone, shrink_teacher

from mmsimtrack.cli.main import main
from mmsimtrack.deployment.export import (
    FORMATS,
    draw_clip,
    export,
    follow,
    judge,
    open_programs,
)
from mmsimtrack.registry import MODELS
from mmsimtrack.runtime import Tracker
from mmsimtrack.structures import CropWindow
from mmsimtrack.structures.tracking import next_bboxes

FULL = 'MMSIMTRACK_EXPORT' in os.environ
# one config of each network; the rest differ in numbers only
NETWORKS = [
    'simtrack/sim_b16_lasot.py',
    'simtrack/sim_t16_real_distilled.py',
    'simtrack/sim_swin-b_lasot.py',
    'simtrack/sim_pvt-m_lasot.py',
    'simtrack/ablations/sim_b16_decoder1_tnl2k.py',
    'simtrack/ablations/sim_b16_interaction50_tnl2k.py',
    'simtrack/ablations/sim_b16_plain_tnl2k.py',
    'simtrack/ablations/sim_b16_one-way_lasot.py',
    'simtrack/official/sim_b16_lasot.py',
    'stark/stark-s_r50_lasot.py',
    'stark/stark-sv_b16_lasot.py',
    'ostrack/ostrack_b256_lasot.py',
]


def all_networks():
    """One config of each network of the zoo, those above first."""
    found = {}
    for name in [*NETWORKS, *ALL]:
        model = load(name).model
        key = repr([model.backbone, model.head, model.search])
        found.setdefault(key, name)
    return list(found.values())


def build(cfg):
    torch.manual_seed(0)
    return MODELS.build(cfg).eval()


def track_three(model, folder, **options):
    """Boxes (T, 3, 4) of three targets, by torch and by the runtime."""
    frames, bbox = draw_clip(6)
    bboxes = bbox + [[0], [7], [-12]] * np.array([1, 1, 1.5, 2])
    state, expected = model.init(frames[:1] * 3, bboxes), []
    for frame in frames[1:]:
        state = model.track([frame] * 3, state)
        expected.append(state.bboxes.numpy())
    return np.stack(expected), follow(
        Tracker(folder, **options), frames, bboxes
    )


def small(name, tmp_path):
    """A small network of the zoo."""
    cfg = load(name)
    shrink_backbone(cfg.model.backbone)
    cfg.model.head.channels = 8
    if cfg.model.backbone.get('elimination'):  # in a block that is left
        cfg.model.backbone.elimination.blocks = (0,)
    if 'teacher' in cfg.model:
        shrink_teacher(cfg.model.teacher, tmp_path / 'teacher')
    return build(cfg.model)


@pytest.mark.parametrize('name', NETWORKS)
def test_no_network_fixes_the_batch(name, tmp_path):
    model = small(name, tmp_path)
    for program, example in open_programs(model):
        rows = [torch.cat([each, each[:1]]) for each in example]
        found = program.module()(*rows)  # three instead of two
        assert {len(each) for each in found} == {3}


@pytest.mark.parametrize('name', NETWORKS if FULL else NETWORKS[-1:])
def test_small_networks_with_any_number_of_targets(name, tmp_path):
    model = small(name, tmp_path)
    report = export(model, tmp_path / 'out', clip=draw_clip(4))
    assert report['max_difference'] <= 1e-3
    expected, found = track_three(model, tmp_path / 'out')
    np.testing.assert_allclose(found, expected, atol=1e-3)


@pytest.mark.skipif(not FULL, reason='make test-export')
@pytest.mark.parametrize('name', all_networks() if FULL else NETWORKS)
def test_networks_in_full_size(name, tmp_path):
    done = Path(os.environ['MMSIMTRACK_EXPORT'])
    done.touch()
    if name in done.read_text().split():
        pytest.skip(f'passed before, says {done}')
    # its teacher has no part in it
    model = build(load(name.replace('_distilled', '')).model)
    report = export(model, tmp_path / 'out', clip=draw_clip(4))
    difference = report['max_difference']
    assert difference <= 1e-3
    with done.open('a') as file:
        file.write(f'{name} {difference:.1e} px\n')


def test_boxes_are_those_of_torch(model, exported):
    folder, report = exported
    assert report['backend'] == 'onnxruntime'
    expected, found = track_three(model, folder)
    np.testing.assert_allclose(found, expected, atol=1e-3)
    assert np.ptp(expected, axis=0).min() > 0  # they moved


def test_a_fixed_batch_takes_any_number_of_targets(model, tmp_path):
    export(model, tmp_path / 'out', 'torchscript', batch=2)
    expected, found = track_three(model, tmp_path / 'out')
    np.testing.assert_allclose(found, expected, atol=1e-3)


@pytest.mark.parametrize(
    'precision, largest, max_loss', [('fp16', 0.2, 0.005), ('int8', 2, 0.03)]
)
def test_other_precisions(
    model, exported_before, tmp_path, precision, largest, max_loss
):
    onnx = pytest.importorskip('onnx')
    folder = tmp_path / 'out'
    report = export(model, folder, precision=precision, max_loss=max_loss)
    assert 1e-3 < report['max_difference'] < largest
    graph = onnx.load(folder / 'search.onnx').graph
    types = {each.data_type for each in graph.initializer}
    halves = onnx.TensorProto.FLOAT16 in types
    quantized = {'QuantizeLinear'} <= {node.op_type for node in graph.node}
    assert [halves, quantized] == [precision == 'fp16', precision == 'int8']
    # the batch is open still
    assert track_three(model, folder)[1].shape == (5, 3, 4)


@pytest.mark.openvino
@pytest.mark.parametrize(
    'precision', FORMATS['openvino'] if FULL else ['fp32']
)
def test_openvino(openvino, model, exported_before, tmp_path, precision):
    options = dict(precision=precision, max_loss=0.03, clip=draw_clip(6))
    report = export(model, tmp_path / 'out', 'openvino', **options)
    assert report['backend'] == 'openvino'
    expected, found = track_three(model, tmp_path / 'out')
    if precision == 'fp32':
        np.testing.assert_allclose(found, expected, atol=1e-3)


def test_tracker_json(model, exported):
    """The examples in it follow from its numbers."""
    settings = json.loads((exported[0] / 'tracker.json').read_text())
    assert settings['model'] == 'sim_t16_real' and settings['batch'] is None
    assert settings['sha256'].keys() == {'exemplar.onnx', 'search.onnx'}
    examples = settings['test_vectors']
    search = settings['search']
    windows = [CropWindow.around(b, **search) for b in examples['bboxes']]
    found = [[w.left, w.top, w.side] for w in windows]
    assert examples['search_windows'] == found
    width, height = examples['frame']
    found = [w.to_frame(b) for w, b in zip(windows, examples['predicted'])]
    given, bias = np.array(examples['bboxes']), np.array(examples['bias'])
    frames = [np.empty((height, width, 3))] * 2
    rules = settings['clip_margin'], settings['size_smoothing'], bias
    bboxes, _ = next_bboxes(np.stack(found), np.ones(2), given, frames, *rules)
    assert examples['next_bboxes'] == bboxes.tolist()


def test_tensorrt_writes_a_script(model, exported_before, tmp_path):
    export(model, tmp_path / 'out', 'tensorrt', 'fp16')
    text = (tmp_path / 'out/build_engines.sh').read_text()
    assert '# Untested' in text
    assert (
        '--onnx=search.onnx --saveEngine=search.engine --fp16 '
        '--minShapes=search:1x3x160x160,memory0:1x29x192 ' in text
    )
    assert '--maxShapes=exemplar:${BATCH:-8}x3x80x80' in text
    assert Tracker(tmp_path / 'out').backend == 'onnxruntime'


def test_other_boxes_are_refused(model, tmp_path, monkeypatch):
    frames, bbox = draw_clip(3)
    update = 'mmsimtrack.deployment.export.Tracker.update'
    monkeypatch.setattr(update, lambda *_: (True, bbox + 0.01, 1.0))
    with pytest.raises(ValueError, match='do not give the boxes of torch'):
        export(model, tmp_path / 'out', 'torchscript', clip=(frames, bbox))
    assert not list(tmp_path.iterdir())


def test_other_precisions_have_a_limit():
    report = dict(max_difference=3.0, overlap=0.94)
    judge(report, 'int8', max_loss=0.07)
    with pytest.raises(ValueError, match='In int8, .* is 0.940 over the clip'):
        judge(report, 'int8', max_loss=0.05)


def test_command(tmp_path, capsys):
    args = ['export', 'ostrack_tiny_generated', '--format', 'torchscript']
    args += ['--out', str(tmp_path / 'out')]
    assert main(args) == 0
    printed = capsys.readouterr()
    assert 'torchscript fp32' in printed.out
    assert (tmp_path / 'out/tracker.json').is_file()
    assert main(args) == 2
    assert 'exists, and nothing in it is replaced' in capsys.readouterr().err


WRONG_OPTIONS = [
    (['--precision', 'bf16'], "'bf16', expected fp32 or fp16 or int8"),
    (['--batch', '0'], "found '0', expected a number from 1 on"),
    (['--clip', 'a.mp4'], 'found only one of --clip and --box'),
    (['--clip', 'a.png', '--box', '1,2,3,4'], 'one frame, expected 2'),
]


@pytest.mark.parametrize('args, message', WRONG_OPTIONS)
def test_wrong_options(args, message, tmp_path, capsys, monkeypatch):
    monkeypatch.chdir(tmp_path)
    cv2.imwrite('a.png', np.zeros((9, 9, 3)))
    out = ['--out', str(tmp_path / 'out')]
    assert main(['export', 'ostrack_tiny_generated', *out, *args]) == 2
    assert message in capsys.readouterr().err
