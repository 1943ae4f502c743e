"""The server of the page, for this machine alone."""

import json
import secrets
import threading
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

STATIC = Path(__file__).parent / 'static'
MOST_BYTES = 1_000_000  # of the boxes that the page sends


class AppServer(ThreadingHTTPServer):
    """Serves the files of the page on 127.0.0.1, and nothing else.

    Args:
        port: Port to listen on; 0 takes a free one.
        picture: A PNG to draw boxes in. Its address holds a secret, so that
            other pages and users of this machine cannot read it.

    Attributes:
        url: Address of the page.
        boxes: What was drawn, [x, y, w, h] in pixels of the picture.
        answered: Set once there are boxes.
    """

    daemon_threads = True

    def __init__(self, port: int = 0, picture: bytes | None = None) -> None:
        super().__init__(('127.0.0.1', port), partial(Handler, picture))
        self.host = f'127.0.0.1:{self.server_port}'
        self.url = f'http://{self.host}/'
        self.boxes, self.answered = [], threading.Event()
        self.place = None
        if picture:
            token = secrets.token_urlsafe()
            self.place = f'/pick/{token}/'
            self.url += f'?pick={token}'


class Handler(SimpleHTTPRequestHandler):
    """Answers with the files of the page, and with the picture."""

    extensions_map = {
        **SimpleHTTPRequestHandler.extensions_map,
        '.mjs': 'text/javascript',  # not known everywhere, but needed
        '.js': 'text/javascript',
    }

    def __init__(self, picture: bytes | None, *args) -> None:
        self.picture = picture
        super().__init__(*args, directory=str(STATIC))

    def send_head(self):
        """Answer a GET or HEAD.

        Another name of the host means that a foreign page had it resolved to
        this machine.
        """
        if self.headers['Host'] != self.server.host:
            return self.send_error(403)
        if self.server.place and self.path == self.server.place + 'frame.png':
            self.begin(200, 'image/png', len(self.picture))
            self.wfile.write(self.picture)
            return None
        return super().send_head()

    def do_POST(self) -> None:
        """Take the boxes that were drawn."""
        length = int(self.headers['Content-Length'] or 0)
        place = self.server.place
        if not place or self.path != place + 'boxes' or length > MOST_BYTES:
            return self.send_error(403)
        try:
            boxes = json.loads(self.rfile.read(length))
            self.server.boxes = [[float(v) for v in box] for box in boxes]
            valid = all(w > 0 and h > 0 for _, _, w, h in self.server.boxes)
        except (TypeError, ValueError):
            valid = False
        if not (valid and self.server.boxes):
            return self.send_error(400, 'expected boxes [x, y, w, h]')
        self.begin(204, 'text/plain', 0)
        self.server.answered.set()

    def begin(self, status: int, kind: str, length: int) -> None:
        """Send the head of an answer."""
        self.send_response(status)
        self.send_header('Content-Type', kind)
        self.send_header('Content-Length', str(length))
        self.end_headers()

    def end_headers(self) -> None:
        """Let browsers ask again, since another version has other files."""
        self.send_header('Cache-Control', 'no-cache')
        super().end_headers()

    def list_directory(self, path):
        """Refuse to list a folder."""
        return self.send_error(404)

    def log_message(self, *args) -> None:
        """Keep the terminal quiet."""
