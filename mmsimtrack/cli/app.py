"""`mmsimtrack app`: track in the browser."""

import threading
import webbrowser
from contextlib import suppress

import click

from mmsimtrack.app import AppServer


@click.command(short_help='Track in the browser.')
@click.option(
    '--port', type=click.IntRange(0, 65535), help='[default: a free one]'
)
@click.option(
    '--no-browser',
    'browser',
    flag_value=False,
    default=True,
    help='Only tell the address.',
)
def app(port, browser) -> None:
    """Open a page that follows targets in a video or a camera.

    All is computed in the browser. The page is served to this machine alone,
    until Ctrl-C.
    """
    try:
        server = AppServer(port or 0)
    except OSError as error:
        raise click.UsageError(
            f'port {port} cannot be used ({error.strerror}). Give another '
            '--port, or leave it out.'
        ) from None
    with server, suppress(KeyboardInterrupt):
        click.echo(f'{server.url} (Ctrl-C ends it)')
        if browser:
            webbrowser.open(server.url)
        server.serve_forever()


def draw_boxes(frame) -> list[list[float]]:
    """Let the user draw boxes in the page -> xyxy.

    Args:
        frame: (H, W, 3) RGB uint8.
    """
    import cv2

    picture = cv2.imencode('.png', frame[..., ::-1])[1].tobytes()
    with AppServer(picture=picture) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        text = f'Draw the targets in {server.url} (Ctrl-C ends it)'
        click.echo(text, err=True)
        webbrowser.open(server.url)
        server.answered.wait()
        server.shutdown()
        return [[x, y, x + w, y + h] for x, y, w, h in server.boxes]
