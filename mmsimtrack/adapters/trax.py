"""A tracker that speaks TraX, the protocol of the VOT toolkit.

    python -m mmsimtrack.adapters.trax

The toolkit starts it and talks to it over its standard input and output. What
to track with comes from the environment: MMSIMTRACK_MODEL, a name of the model
zoo or a config; MMSIMTRACK_WEIGHTS and MMSIMTRACK_DEVICE, which may be left
out. Only the package `vot-trax` is needed. See docs/en/toolkits.md.
"""

import os
import sys
from contextlib import redirect_stdout

from mmsimtrack.apis import SOTInferencer
from mmsimtrack.datasets.frames import read_frame
from mmsimtrack.models import SOTTracker
from mmsimtrack.optional import need
from mmsimtrack.structures import xywh_to_xyxy, xyxy_to_xywh

trax = need('trax', 'mmsimtrack.adapters.trax', 'vot-trax')


def serve(server: 'trax.Server', model: SOTTracker) -> None:
    """Answer what the toolkit asks, until it quits.

    Also the question to initialize is answered, by the given box. Answers
    carry the score of the tracker as `confidence`.

    Args:
        server: Open connection to the toolkit.
        model: Tracker to answer with.
    """
    state = None
    while True:
        request = server.wait()
        if request.type in (trax.TraxStatus.QUIT, trax.TraxStatus.ERROR):
            return
        frame = read_frame(request.image['color'].path())
        if request.type == trax.TraxStatus.INITIALIZE:
            ((region, _),) = request.objects
            state = model.init([frame], [xywh_to_xyxy(region.bounds())])
        else:
            state = model.track([frame], state)
        region = trax.Rectangle.create(*xyxy_to_xywh(state.bboxes[0]))
        answer = region, {'confidence': state.scores[0].item()}
        server.status([answer], {})


def main() -> None:
    """Build the tracker and serve.

    Raises:
        KeyError: If the environment names no model.
    """
    if 'MMSIMTRACK_MODEL' not in os.environ:
        raise KeyError(
            'MMSIMTRACK_MODEL is not set. Set it to a name of the model zoo '
            'or a config, in trackers.ini of the VOT toolkit by '
            'env_MMSIMTRACK_MODEL = NAME.'
        )
    names = ('MMSIMTRACK_MODEL', 'MMSIMTRACK_WEIGHTS', 'MMSIMTRACK_DEVICE')
    # the output belongs to the protocol
    with redirect_stdout(sys.stderr):
        model = SOTInferencer(*(os.environ.get(name) for name in names)).model
        with trax.Server(
            [trax.Region.RECTANGLE],
            [trax.Image.PATH],
            ['color'],
            tracker_name='mmsimtrack',
            metadata={'vot': 'python'},
        ) as server:
            serve(server, model)


if __name__ == '__main__':
    main()
