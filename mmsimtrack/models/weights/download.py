"""Downloading files once and with their hashes checked."""

import hashlib
import os
import re
from http.client import HTTPException
from pathlib import Path

import torch
from mmengine.dist import barrier
from mmengine.logging import MMLogger

from mmsimtrack.fileio import replace_atomically


def fetch(address: str) -> Path:
    """Return the local copy of a file; one process per machine downloads it.

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
    url, method, digits = split_hash(address)
    folder = digits if len(digits) == 64 else None
    folder = folder or hashlib.sha256(url.encode()).hexdigest()
    path = Path(torch.hub.get_dir(), 'checkpoints', folder[:8])
    path = path / os.path.basename(url.split('?')[0])
    cause = 'the first process failed'
    try:
        if os.environ.get('LOCAL_RANK', '0') == '0' and not path.exists():
            MMLogger.get_current_instance().info(
                f'Downloading {url} to {path}'
            )
            path.parent.mkdir(parents=True, exist_ok=True)
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
    _check_hash(path, url, method, digits)
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
    if not fragment:
        return url, 'sha256', ''
    match = re.fullmatch(r'(sha256|md5)=([0-9a-fA-F]{6,64})', fragment)
    if match is None:
        raise ValueError(
            f'{address} ends with #{fragment}, expected #sha256=... or '
            '#md5=... with at least 6 hexadecimal digits.'
        )
    return url, match[1], match[2].lower()


def _check_hash(path: Path, url: str, method: str, digits: str) -> None:
    """Compare a file with the first digits of its hash, or log the hash.

    Raises:
        ValueError: If the file has another hash.
    """
    with open(path, 'rb') as file:
        found = hashlib.file_digest(file, method).hexdigest()
    if not digits:
        MMLogger.get_current_instance().info(
            f'{url} names no hash. To make sure that the file stays the same, '
            f'add #sha256={found}'
        )
    elif not found.startswith(digits):
        raise ValueError(
            f'{url}: the file has {method} {found}, expected {digits}. Check '
            f'the hash, or delete {path} to download it again.'
        )
