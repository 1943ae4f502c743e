"""Streams, against a server in the test."""

import os
import socket
import threading
import time
from contextlib import suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import av
import clips
import cv2
import numpy as np
import pytest
from drifter import Drifter

from mmsimtrack.apis import sot_inferencer
from mmsimtrack.apis.live import LiveReader
from mmsimtrack.apis.sources import Footage
from mmsimtrack.cli.main import main

# MMSIMTRACK_STRESS=N repeats what else runs twice; above 2, ten minutes live
SECONDS = 600 if int(os.environ.get('MMSIMTRACK_STRESS', 2)) > 2 else 2


def encode(number):
    """A picture with a number in 16 black and white stripes."""
    stripes = [255 * (number >> bit & 1) for bit in range(16)]
    image = np.repeat(np.array(stripes, np.uint8), 8)[None].repeat(32, 0)
    return cv2.imencode('.jpg', image)[1].tobytes()


def decode(frame):
    stripes = frame[16, 4::8, 0] > 127
    return sum(1 << bit for bit, on in enumerate(stripes) if on)


class Stream(BaseHTTPRequestHandler):
    """MJPEG at 25 frames a second; the server counts them."""

    def do_GET(self):
        self.send_response(200)
        kind = 'multipart/x-mixed-replace; boundary=frame'
        self.send_header('Content-Type', kind)
        self.end_headers()
        for _ in range(self.server.per_connection):
            self.server.sent += 1
            jpeg = encode(self.server.sent)
            head = f'Content-Type: image/jpeg\r\nContent-Length: {len(jpeg)}'
            try:
                part = f'--frame\r\n{head}\r\n\r\n'.encode() + jpeg + b'\r\n'
                self.wfile.write(part)
            except OSError:
                return
            time.sleep(0.04)

    def log_message(self, *args):
        pass


@pytest.fixture
def server():
    server = ThreadingHTTPServer(('127.0.0.1', 0), Stream)
    server.daemon_threads = True
    server.sent, server.per_connection = 0, 100_000
    server.url = f'http://127.0.0.1:{server.server_port}/cam.mjpeg'
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield server
    server.shutdown()
    server.server_close()


def test_a_slow_consumer_gets_the_newest_frame(server):
    footage = Footage(server.url)
    reader = footage.reader
    assert reader.live and footage.total is None
    numbers, late, behind, begin = [], [], [], time.monotonic()
    for number, moment, frame in footage:
        behind.append(reader.num_received - 1 - number)
        late.append(server.sent - decode(frame))
        numbers.append(number)
        assert 0 <= time.monotonic() - reader.started - moment < 0.5
        time.sleep(0.15)
        if time.monotonic() - begin > SECONDS:
            footage.stop()
    assert np.median(late[1:]) <= 2  # of the sender
    assert np.quantile(behind, 0.9) <= 2  # of what has arrived
    assert reader.num_dropped > len(numbers)
    assert numbers == sorted(set(numbers))
    assert reader.num_received <= numbers[-1] + 2 + reader.num_dropped


def test_a_broken_connection_is_made_again(server):
    server.per_connection = 10
    reader = LiveReader(server.url)
    seen = []
    for _, _, frame in reader:
        seen.append(decode(frame))
        if len(seen) == 25:
            break
    assert reader.num_reconnects >= 2
    assert seen == sorted(set(seen))


def test_a_stream_that_stays_away_ends(server):
    server.per_connection = 5
    reader = LiveReader(server.url, patience=0.5)
    items = []
    with pytest.warns(UserWarning, match='gave no frame for 0.5 s'):
        for item in reader:
            items.append(item)
            server.per_connection = 0
    assert items and reader.ended


def test_two_streams_of_one_name(server, monkeypatch, tmp_path):
    """They keep their files apart."""
    monkeypatch.setattr(
        sot_inferencer, 'init_model', lambda *_, **__: Drifter()
    )
    args = ['--box', '1,1,9,9', '--end', '30', '--out-dir', str(tmp_path)]
    assert main(['track', server.url, server.url, *args]) == 0
    for ending in ('csv', 'mp4', 'png'):
        found = [path.name for path in tmp_path.glob(f'*.{ending}')]
        assert len(found) == 2
        for name in found:
            assert '_cam_mjpeg_20' in name and '127_0_0_1' in name
    for path in tmp_path.glob('*.csv'):
        numbers = np.loadtxt(path, delimiter=',', skiprows=1)[:, 0]
        assert 2 <= len(numbers) and numbers[-1] < 30


def test_rtsp(monkeypatch):
    """The camera calls us, which needs no server."""
    monkeypatch.setenv('OPENCV_FFMPEG_CAPTURE_OPTIONS', 'rtsp_flags;listen')
    with socket.socket() as free:
        free.bind(('127.0.0.1', 0))
        url = f'rtsp://127.0.0.1:{free.getsockname()[1]}/cam'
    threading.Thread(target=send_rtsp, args=(url,), daemon=True).start()
    reader = LiveReader(url)
    assert reader.live and reader.fps == 25
    items = iter(reader)
    found = [next(items) for _ in range(5)]
    items.close()
    numbers = [number for number, _, _ in found]
    assert (np.diff(numbers) > 0).all()  # of those that were received
    assert all(np.diff([clips.index(frame) for _, _, frame in found]))


def send_rtsp(url):
    """Send 20 seconds of a clip, once somebody listens."""
    for _ in range(100):
        with (
            suppress(av.FFmpegError, OSError),
            av.open(url, 'w', 'rtsp', {'rtsp_transport': 'tcp'}) as out,
        ):
            stream = out.add_stream('libx264', 25)
            stream.height, stream.width = clips.SIZE
            stream.options = {'tune': 'zerolatency', 'g': '5'}
            for i in range(500):
                picture = clips.picture(i % clips.LENGTH)
                frame = av.VideoFrame.from_ndarray(picture, 'rgb24')
                frame.pts = i
                out.mux(stream.encode(frame))
                time.sleep(0.04)
            return
        time.sleep(0.1)
