"""Downloading files once, whole and with their hashes checked."""

import hashlib
import os
import re
import shutil
from http.client import HTTPException
from pathlib import Path
from urllib.request import Request, urlopen

import torch
from mmengine.dist import barrier
from mmengine.logging import MMLogger

from mmsimtrack.fileio import replace_atomically


def fetch(address: str) -> Path:
    """The local copy of a file; downloaded once, by one process per machine.

    It is kept in torch's hub folder, and its hash is checked at every use. A
    file without a hash is used as it is, and its sha256 is logged.

    Args:
        address: `https://.../file.pth#sha256=0123ab` or `#md5=...`, where the
            first digits suffice; a folder that is a sha256 (CLIP) counts as
            that of the file.

    Raises:
        ConnectionError: If it cannot be downloaded.
        ValueError: If the hash is another one, or is not understood.
    """
    source = url, _, digits = split_hash(address)
    folder = digits if len(digits) == 64 else None
    folder = folder or hashlib.sha256(url.encode()).hexdigest()
    path = Path(torch.hub.get_dir(), 'checkpoints', folder[:8])
    path = path / os.path.basename(url.split('?')[0])
    local_rank = os.environ.get('LOCAL_RANK', '0')
    downloads = local_rank == '0' and not path.exists()
    try:
        if downloads:
            _download(source, path)
    finally:
        barrier()  # also if it failed, or the others would wait forever
    if not path.exists():
        raise ConnectionError(_by_hand(url, path, 'the first process failed'))
    if not downloads:  # else it is checked already
        _check_hash(path, source, f'Delete {path} to download it again.')
    return path


def split_hash(address: str) -> tuple[str, str, str]:
    """Address -> address, hash function and first digits of the hash.

    Returns:
        Without digits if the address names no hash.

    Raises:
        ValueError: If what follows `#` is no hash.
    """
    url, _, fragment = address.partition('#')
    folder = re.search(r'/([0-9a-f]{64})/', url)
    if folder:
        return url, 'sha256', folder[1]
    if fragment:
        match = re.fullmatch(r'(sha256|md5)=([0-9a-fA-F]{6,64})', fragment)
        if match is None:
            raise ValueError(
                f'{address} ends with #{fragment}, expected #sha256=... or '
                '#md5=... with at least 6 hexadecimal digits.'
            )
        return url, match[1], match[2].lower()
    return url, 'sha256', ''


def _download(source: tuple[str, str, str], path: Path) -> None:
    """Download a file, which appears only if it is whole and the right one.

    torch's function takes a download that breaks off for complete.
    """
    url = source[0]
    MMLogger.get_current_instance().info(f'Downloading {url} to {path}')
    path.parent.mkdir(parents=True, exist_ok=True)
    # some hosts refuse Python's default
    request = Request(url, headers={'User-Agent': 'mmsimtrack'})
    with replace_atomically(path) as temporary:
        try:
            with urlopen(request, timeout=60) as answer:
                with open(temporary, 'wb') as file:
                    shutil.copyfileobj(answer, file, 1 << 20)
                size = answer.headers.get('Content-Length')
        except (OSError, HTTPException) as error:
            raise ConnectionError(_by_hand(url, path, error)) from error
        found = temporary.stat().st_size
        if size is not None and found != int(size):
            cause = f'it broke off after {found} of {size} bytes'
            raise ConnectionError(_by_hand(url, path, cause))
        _check_hash(temporary, source, 'Check the hash, or download again.')


def _check_hash(path: Path, source: tuple[str, str, str], advice: str) -> None:
    """Compare a file with the first digits of its hash, or log the hash.

    Args:
        path: Of the file.
        source: Its address, hash function and digits, of `split_hash`.
        advice: What to do where they differ.

    Raises:
        ValueError: If the file has another hash.
    """
    url, method, digits = source
    digest = hashlib.new(method)
    with open(path, 'rb') as file:
        while chunk := file.read(1 << 20):
            digest.update(chunk)
    found = digest.hexdigest()
    if not digits:
        MMLogger.get_current_instance().info(
            f'{url} names no hash. To make sure that the file stays the same, '
            f'add #sha256={found}'
        )
    elif not found.startswith(digits):
        raise ValueError(
            f'{url}: the file has {method} {found}, expected {digits}. '
            f'{advice}'
        )


def _by_hand(url: str, path: Path, cause) -> str:
    return (
        f'{url} could not be downloaded: {cause}. Try again, or put the file '
        f'at {path} by hand.'
    )
