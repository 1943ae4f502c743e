"""Downloading files once and with their hashes checked."""

import hashlib
import os
import re
from http.client import HTTPException
from pathlib import Path

import torch
from mmengine.dist import barrier

from mmsimtrack.fileio import replace_atomically
from mmsimtrack.log import log


def fetch(address: str) -> Path:
    """Return the local copy of a file; one process per machine downloads it.

    The copy is in torch's hub folder, and its hash is checked at every use.
    A file without a hash is used as it is, and its sha256 is logged.

    Args:
        address: `https://.../file.pth#sha256=0123ab` or `#md5=...`, where the
            first digits suffice; a folder that is a sha256 (CLIP) counts as
            that of the file.

    Raises:
        ConnectionError: If it cannot be downloaded.
        ValueError: If the hash is another one, or is not understood.
    """
    url, method, digits = split_hash(address)
    folder = digits if len(digits) == 64 else _sha256(url)
    path = Path(torch.hub.get_dir(), 'checkpoints', folder[:8])
    path /= os.path.basename(url.split('?')[0])
    cause = 'the first process failed'
    try:
        if os.environ.get('LOCAL_RANK', '0') == '0' and not path.exists():
            log(f'Downloading {url} to {path}')
            with replace_atomically(path) as temporary:
                torch.hub.download_url_to_file(url, str(temporary))
                _check_hash(temporary, url, method, digits)
    except (OSError, HTTPException) as error:
        cause = error
    finally:
        barrier()  # also if it failed, or the others would wait forever
    if not path.exists():
        raise ConnectionError(
            f'{url} could not be downloaded: {cause}. Try again, or put the '
            f'file at {path} by hand.'
        )
    found = _check_hash(path, url, method, digits)
    if not digits:
        log(
            f'{url} names no hash. To make sure that the file stays the same, '
            f'add #sha256={found}'
        )
    return path


def split_hash(address: str) -> tuple[str, str, str]:
    """Split an address into address, hash function and digits of the hash.

    Returns:
        All three; the digits are empty if the address names no hash.

    Raises:
        ValueError: If what follows `#` is no hash.
    """
    url, _, fragment = address.partition('#')
    if folder := re.search(r'/([0-9a-f]{64})/', url):
        return url, 'sha256', folder[1]
    match = re.fullmatch(r'(sha256|md5)=([0-9a-f]{6,64})', fragment.lower())
    if fragment and not match:
        raise ValueError(
            f'{address} ends with #{fragment}, expected #sha256=... or '
            '#md5=... with at least 6 hexadecimal digits.'
        )
    return url, *(match.groups() if match else ('sha256', ''))


def _sha256(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()


def _check_hash(path: Path, url: str, method: str, digits: str) -> str:
    """Return the hash of a file.

    Raises:
        ValueError: If it does not begin with the digits.
    """
    with open(path, 'rb') as file:
        found = hashlib.file_digest(file, method).hexdigest()
    if not found.startswith(digits):
        raise ValueError(
            f'{url}: the file has {method} {found}, expected {digits}. Check '
            f'the hash, or delete {path} to download it again.'
        )
    return found
