import hashlib
import threading
from http.server import BaseHTTPRequestHandler, HTTPServer

import pytest
import torch
from mmengine.logging import MMLogger

from mmsimtrack.models.weights import downloads
from mmsimtrack.models.weights.downloads import fetch, split_hash

DATA = b'weights' * 1000
SHA256 = hashlib.sha256(DATA).hexdigest()
MD5 = hashlib.md5(DATA).hexdigest()


class Host(BaseHTTPRequestHandler):
    """Serves DATA; under /cut it breaks off, under /404 there is nothing."""

    def do_GET(self):
        self.server.paths.append(self.path)
        self.server.agents.append(self.headers['User-Agent'])
        if self.path.startswith('/404'):
            self.send_error(404)
            return
        self.send_response(200)
        self.send_header('Content-Length', str(len(DATA)))
        self.end_headers()
        half = self.path.startswith('/cut')
        self.wfile.write(DATA[: len(DATA) // 2] if half else DATA)

    def log_message(self, *args):
        pass


@pytest.fixture
def hub(tmp_path, monkeypatch):
    monkeypatch.setattr(torch.hub, 'get_dir', lambda: str(tmp_path / 'hub'))
    return tmp_path / 'hub'


@pytest.fixture
def host(hub):
    """A server on this machine; `host.url` is its address."""
    server = HTTPServer(('127.0.0.1', 0), Host)
    server.url = f'http://127.0.0.1:{server.server_port}'
    server.paths, server.agents = [], []
    thread = threading.Thread(target=server.serve_forever, args=(0.01,))
    thread.start()
    yield server
    server.shutdown()
    thread.join()
    server.server_close()


@pytest.fixture
def logged(monkeypatch):
    lines = []
    logger = MMLogger.get_current_instance()
    monkeypatch.setattr(logger, 'info', lines.append)
    return lines


def files(hub):
    return [path.name for path in hub.rglob('*') if path.is_file()]


@pytest.mark.parametrize('hash_', [f'sha256={SHA256[:8]}', f'md5={MD5[:6]}'])
def test_a_file_is_downloaded_once_and_checked_always(host, hub, hash_):
    address = f'{host.url}/a/x.pth#{hash_}'
    path = fetch(address)
    assert path.read_bytes() == DATA
    assert hub in path.parents
    assert fetch(address) == path
    assert host.paths == ['/a/x.pth']
    assert host.agents == ['mmsimtrack']
    path.write_bytes(DATA[:-1])
    with pytest.raises(
        ValueError, match='has .*, expected .* Delete .*x.pth to'
    ):
        fetch(address)


def test_a_folder_that_is_a_sha256_counts(host, hub):
    path = fetch(f'{host.url}/{SHA256}/x.pt')
    assert path == hub / 'checkpoints' / SHA256[:8] / 'x.pt'
    wrong = 64 * '0'
    with pytest.raises(ValueError, match=f'sha256 {SHA256}, expected {wrong}'):
        fetch(f'{host.url}/{wrong}/x.pt')


def test_files_of_one_name_do_not_mix(host):
    one, two = fetch(f'{host.url}/a/x.pth'), fetch(f'{host.url}/b/x.pth')
    assert one != two
    assert one.name == two.name == 'x.pth'


def test_without_a_hash_the_log_states_it(host, logged):
    path = fetch(f'{host.url}/x.pth')
    assert logged == [
        f'Downloading {host.url}/x.pth to {path}',
        f'{host.url}/x.pth names no hash. To make sure that the file stays '
        f'the same, add #sha256={SHA256}',
    ]


def test_a_wrong_download_is_not_kept(host, hub):
    message = 'has sha256 .*, expected 00000000. Check the hash, or download'
    with pytest.raises(ValueError, match=message):
        fetch(f'{host.url}/x.pth#sha256=00000000')
    assert files(hub) == []


def test_a_broken_download_is_not_kept(host, hub):
    message = 'it broke off after 3500 of 7000 bytes. Try again, or put the'
    with pytest.raises(ConnectionError, match=message):
        fetch(f'{host.url}/cut/x.pth')
    assert files(hub) == []


def test_without_the_file_its_place_is_named(host, hub):
    message = f'{host.url}/404/x.pth could not be downloaded: .*404.*put .*hub'
    with pytest.raises(ConnectionError, match=message) as info:
        fetch(f'{host.url}/404/x.pth')
    place = str(info.value).split('put the file at ')[1].split(' by hand')[0]
    assert files(hub) == []
    with open(place, 'wb') as file:
        file.write(DATA)
    assert fetch(f'{host.url}/404/x.pth').read_bytes() == DATA


def test_without_a_network_the_address_is_named(hub, monkeypatch):
    def refuse(*args, **kwargs):
        raise OSError('Network is unreachable')

    monkeypatch.setattr(downloads, 'urlopen', refuse)
    message = 'https://example.org/x.pth could not .* unreachable. Try again'
    with pytest.raises(ConnectionError, match=message):
        fetch('https://example.org/x.pth')


@pytest.mark.parametrize(
    'fragment', ['sha256=xyz123', 'md5=12', 'sha1=123456']
)
def test_a_strange_hash_is_refused(hub, fragment):
    message = f'ends with #{fragment}, expected #sha256=... or #md5=...'
    with pytest.raises(ValueError, match=message):
        fetch(f'https://example.org/x.pth#{fragment}')


def test_other_processes_wait_and_then_say_what_failed(hub, monkeypatch):
    met = []
    monkeypatch.setenv('LOCAL_RANK', '1')
    monkeypatch.setattr(downloads, 'barrier', lambda: met.append(1))
    message = 'could not be downloaded: the first process failed'
    with pytest.raises(ConnectionError, match=message):
        fetch('https://example.org/x.pth')
    assert met == [1]


def test_the_first_process_meets_the_others_even_if_it_fails(hub, monkeypatch):
    met = []
    monkeypatch.setattr(downloads, 'barrier', lambda: met.append(1))
    monkeypatch.setattr(downloads, 'urlopen', lambda *a, **k: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        fetch('https://example.org/x.pth')
    assert met == [1]


def test_every_process_checks_the_hash(hub, monkeypatch):
    url = 'https://example.org/x.pth'
    folder = hashlib.sha256(url.encode()).hexdigest()[:8]
    path = hub / 'checkpoints' / folder / 'x.pth'
    path.parent.mkdir(parents=True)
    path.write_bytes(b'forged')
    monkeypatch.setenv('LOCAL_RANK', '1')
    monkeypatch.setattr(downloads, 'barrier', lambda: None)
    with pytest.raises(ValueError, match='expected 012345. Delete'):
        fetch(f'{url}#sha256=012345')


def test_a_fragment_does_not_weaken_the_hash_of_the_folder():
    url = f'https://example.org/{SHA256}/x.pt'
    assert split_hash(f'{url}#sha256={SHA256[:6]}')[2] == SHA256
