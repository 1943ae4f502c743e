"""`mmsimtrack track --backend`: by an export that is made once."""

import numpy as np
import pytest
import torch

from mmsimtrack.cli.main import main
from mmsimtrack.deployment import fastest

BOXES = ['--box', '90,70,36,28', '--box', '80,75,40,20']
FP32, INT8 = ('onnxruntime', 'fp32'), ('onnxruntime', 'int8')


def track(frames, *args):
    """Track: the exit status, and the rows."""
    same = ['--out-dir', str(frames.parent), '--overwrite', '--end', '6']
    same += ['--model', 'sim_t16_real', '--no-video', '--no-sheet', *BOXES]
    same += ['--device', 'cpu', '--precision', 'fp32']  # auto may be bf16
    status = main(['track', str(frames), *same, *args])
    file = frames.parent / 'clip_tracked.csv'
    if status:
        return status, None
    return status, np.loadtxt(file, delimiter=',', skiprows=1)


@pytest.mark.openvino
def test_the_boxes_are_those_of_torch(
    frames, openvino, exported_before, capsys, monkeypatch, tmp_path
):
    monkeypatch.setenv('MMSIMTRACK_CACHE', str(tmp_path / 'cache'))
    _, expected = track(frames)
    assert capsys.readouterr().err == ''  # too short to export anything
    assert not (tmp_path / 'cache').exists()
    assert len(expected) == 12 and np.ptp(expected[::2, 3]) > 1
    for backend in ('onnxruntime', 'openvino', 'auto'):
        status, found = track(frames, '--backend', backend)
        assert status == 0
        np.testing.assert_allclose(found, expected, atol=2e-3)
    said = capsys.readouterr().err
    assert said.count('is exported once') == 1
    assert said.count('the fastest here: ') == 1
    (export,) = (tmp_path / 'cache/exports').glob('[!.]*')
    assert (export / 'speed.json').is_file()
    monkeypatch.setattr(fastest, '_time', None)  # not measured again
    assert track(frames, '--quiet')[0] == 0
    assert capsys.readouterr().err == ''


CHOICE = [
    (9, 0.001, [FP32, INT8], FP32, 'onnxruntime tracks in fp32, the fast'),
    (9, 0.003, [FP32], None, 'torch tracks, the fastest here: 10.0 ms'),
    (11, 0, [FP32], None, 'torch tracks'),
    (9, 0, [INT8], None, 'torch tracks'),
]


@pytest.mark.parametrize('ms, loss, able, chosen, said', CHOICE)
def test_choice(ms, loss, able, chosen, said):
    rows = {'torch': {'ms': 10}, 'onnxruntime fp32': {'ms': ms, 'loss': loss}}
    lines = []
    assert fastest._choose(rows, able, lines.append) == chosen
    (line,) = lines
    assert line.startswith(said)


def test_an_export_that_fails_leaves_it_to_torch(frames, monkeypatch, capsys):
    def fail(*args):
        raise TypeError('no such operator\nand so on')

    monkeypatch.setattr(fastest, 'export', fail)
    monkeypatch.setattr(fastest, 'PATIENCE', 0)
    assert track(frames)[0] == 0
    assert 'torch tracks: no such operator\n' in capsys.readouterr().err


def test_nothing_to_choose_from(frames, monkeypatch, capsys):
    monkeypatch.setattr(fastest, 'PATIENCE', 0)
    monkeypatch.setattr(fastest, 'find_spec', lambda _: None)
    assert track(frames)[0] == 0
    assert capsys.readouterr().err == ''


def test_wrong_options(frames, capsys):
    args = '--backend', 'onnxruntime', '--precision', 'fp16'
    assert track(frames, *args)[0] == 2
    assert 'found the device cpu and the precision fp16' in (
        capsys.readouterr().err
    )


def test_an_export_depends_on_weights_and_options(model):
    names = {fastest._folder(model)}
    model.cfg.clip_margin += 1
    names.add(fastest._folder(model))
    model.cfg.clip_margin -= 1
    with torch.no_grad():
        weight = next(model.parameters())
        weight.view(-1)[0] += 1
        names.add(fastest._folder(model))
        weight.view(-1)[0] -= 1
    assert len(names) == 3
