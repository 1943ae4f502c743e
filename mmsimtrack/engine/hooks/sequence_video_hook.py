"""A hook that writes videos of tracked sequences."""

from pathlib import Path

from mmengine.hooks import Hook
from mmengine.runner import Runner

from mmsimtrack.fileio import replace_atomically
from mmsimtrack.registry import HOOKS
from mmsimtrack.visualization import SOTVisualizer, VideoWriter


@HOOKS.register_module()
class SequenceVideoHook(Hook):
    """Writes a video of each tracked sequence, with both boxes drawn.

    Args:
        out_dir: Folder for `<sequence>.mp4`.
    """

    def __init__(self, out_dir: str) -> None:
        self.out_dir = Path(out_dir)

    def after_test_iter(
        self, runner: Runner, batch_idx: int, data_batch: dict, outputs: list
    ) -> None:
        """Read the frames once more and draw; see `SequenceTestLoop`."""
        (reader,), (sample,) = data_batch['inputs'], outputs
        pred = sample.pred_instances.bboxes.numpy()
        gt = sample.gt_instances.bboxes.numpy()
        path = self.out_dir / f'{sample.sequence}.mp4'
        with replace_atomically(path) as whole, VideoWriter(whole) as video:
            for t, frame in enumerate(reader):
                boxes = pred[t], gt[t] if t < len(gt) else None
                video.write(SOTVisualizer.draw_frame(frame, *boxes, f'#{t}'))
