"""The first command, as a user gives it, and the video that it writes."""

import json
import os
import shutil
import subprocess
import threading
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer

import pytest
from clips import describe, write_clip
from processes import python

LENGTH = 10  # frames to track
PAGE = """<video src="clip_tracked.mp4" muted></video><script>
const video = document.querySelector('video');
const tell = (text) => fetch('/done/' + encodeURIComponent(text));
video.onerror = () => tell('error: ' + video.error.message);
video.onended = () => tell([
    video.videoWidth, video.videoHeight, video.currentTime.toFixed(2),
    video.getVideoPlaybackQuality().totalVideoFrames > 0].join(' '));
video.play().catch((error) => tell('error: ' + error));
</script>"""
CODE = """
import sys
from mmsimtrack.cli.main import main
status = main()
assert not {'mmdet', 'matplotlib'} & set(sys.modules)
sys.exit(status)
"""


def browse(url, folder, done, patience=60, log=subprocess.DEVNULL):
    """Let Chromium open a page until that is done; skip without Chromium.

    Where MMSIMTRACK_REQUIRE_ALL is set, fail without.
    """
    if shutil.which('chromium') is None:
        missing = pytest.fail
        if not os.environ.get('MMSIMTRACK_REQUIRE_ALL'):
            missing = pytest.skip
        missing('chromium is missing: apt-get install chromium')
    command = ['chromium', '--headless', '--no-sandbox', '--disable-gpu']
    command += [f'--user-data-dir={folder}/browser', '--mute-audio', url]
    command += ['--autoplay-policy=no-user-gesture-required']
    command += ['--enable-logging=stderr', '--remote-debugging-port=0']
    browser = subprocess.Popen(command, stderr=log)
    try:
        assert done.wait(patience), 'the browser did not come to the end'
    finally:
        browser.terminate()
        browser.wait()


@pytest.fixture(scope='module')
def out(tmp_path_factory):
    """What the shipped model makes of a clip, without mmdet and plots."""
    folder = tmp_path_factory.mktemp('first')
    clip = write_clip(folder / 'clip.mp4', audio='aac')
    args = ['track', str(clip), '--box', '0,20,16,24', '--device', 'cpu']
    args += ['--out-dir', str(folder), '--format', 'csv,json']
    args += ['--end', str(LENGTH)]
    python('-c', CODE, *args)
    return folder


def test_rows(out):
    rows = (out / 'clip_tracked.csv').read_text().splitlines()
    assert len(rows) == 1 + LENGTH
    found = json.loads((out / 'clip_tracked.json').read_text())
    assert found['model'] == 'sim_s16-6l_real'
    assert len(found['tracks'][0]['frames']) == LENGTH
    found = describe(out / 'clip_tracked.mp4')
    assert (found['codec'], found['pix_fmt']) == ('h264', 'yuv420p')
    assert (len(found['times']), found['audio']) == (LENGTH, 1)


def test_chromium_plays_it(out):
    (out / 'page.html').write_text(PAGE)
    told, done = [], threading.Event()

    class Handler(SimpleHTTPRequestHandler):
        def do_GET(self):
            if self.path.startswith('/done/'):
                told.append(self.path.removeprefix('/done/'))
                done.set()
            super().do_GET()

        def log_message(self, *args):
            pass

    handler = partial(Handler, directory=out)
    with ThreadingHTTPServer(('127.0.0.1', 0), handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        url = f'http://127.0.0.1:{server.server_port}/page.html'
        try:
            browse(url, out, done)
        finally:
            server.shutdown()
    width, height, end, shown = told[0].split('%20')
    assert (width, height, shown) == ('96', '64', 'true')
    # the last packet of sound may end later
    assert LENGTH / 25 <= float(end) < LENGTH / 25 + 0.03
