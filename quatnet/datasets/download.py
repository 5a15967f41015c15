"""Download of the official ESC-50 archive, with resumption and validation."""

import hashlib
import os
import time
import urllib.error
import urllib.request
from collections.abc import Callable
from http.client import HTTPException
from pathlib import Path
from typing import Any

from tqdm import tqdm

from ..errors import DataError
from .archives import extract_esc50

ESC50_URL = "https://github.com/karolpiczak/ESC-50/archive/master.zip"
ATTEMPTS = 4
BLOCK_BYTES = 1 << 18


def download(
    folder: str | os.PathLike,
    *,
    url: str = ESC50_URL,
    sha256: str | None = None,
    num_recordings: int = 2000,
    wait_s: float = 1.0,
) -> Path:
    """Download and extract ESC-50 (600 MB), unless the data set is already in `folder`, and return its path.

    The archive is written to `esc50.zip.part`. An interrupted download is resumed, in the same call or in the next
    call. The length, the checksums and the number of recordings are checked before extraction.

    Parameters
    ----------
    folder : parent of the new folder `ESC-50-master`, created if necessary
    url : address of the archive
    sha256 : expected SHA-256 digest of the archive, if known
    num_recordings : expected number of WAV files
    wait_s : waiting time before the second attempt in seconds. Later attempts wait two and three times as long

    Returns
    -------
    path of the folder that contains `meta` and `audio`

    Raises
    ------
    DataError
        The download fails, the disk is full, or the archive is invalid. An invalid archive is deleted, a partial
        archive is kept.
    """
    folder = Path(folder)
    target = folder / "ESC-50-master"
    if target.is_dir():
        return target
    folder.mkdir(parents=True, exist_ok=True)
    part = folder / "esc50.zip.part"
    resumed = part.exists()
    _download(url, part, wait_s)
    try:
        _install(part, target, sha256, num_recordings)
    except DataError:
        if not resumed or part.exists():
            raise
        _download(url, part, wait_s)  # the partial file of an earlier call may belong to another archive
        _install(part, target, sha256, num_recordings)
    return target


def _install(part: Path, target: Path, sha256: str | None, num_recordings: int) -> None:
    try:
        _check_digest(part, sha256)
        extract_esc50(part, target, num_recordings=num_recordings)
    except OSError as error:
        raise DataError(f"could not extract {part} ({error}); free disk space and try again") from error
    except DataError:
        part.unlink()
        raise
    part.unlink()


def _download(url: str, part: Path, wait_s: float) -> None:
    error: Exception | None = None
    for attempt in range(ATTEMPTS):
        time.sleep(wait_s * attempt)
        try:
            return _download_rest(url, part)
        except (OSError, HTTPException, ValueError) as failure:
            error = failure
    raise DataError(f"could not download {url}: {error}; try again to resume {part}, or download and unzip it by hand")


def _download_rest(url: str, part: Path) -> None:
    """Append the missing bytes to `part`. Raises OSError if fewer bytes are received than announced."""
    size = part.stat().st_size if part.exists() else 0
    request = urllib.request.Request(url, headers={"Range": f"bytes={size}-"} if size else {})
    try:
        response = urllib.request.urlopen(request, timeout=60)
    except urllib.error.HTTPError as error:
        if error.code != 416:
            raise
        return _handle_invalid_range(error, part, size)
    with response:
        resumed = response.status == 206
        start = size if resumed else 0
        total = _total_bytes(response, part, start)
        with part.open("ab" if resumed else "wb") as file:
            _copy(response, file.write, start, total)
    if total is not None and part.stat().st_size != total:
        raise OSError(f"the connection was closed at {part.stat().st_size} of {total} bytes")


def _total_bytes(response: Any, part: Path, start: int) -> int | None:
    """Return the length of the complete file in bytes, or None if the server does not send the length."""
    span, _, total = response.headers.get("Content-Range", "").partition("/")
    if span and not span.startswith(f"bytes {start}-"):
        part.unlink()
        raise OSError(f"requested the bytes from {start}, got {span}; starting again")
    length = response.headers.get("Content-Length")
    return int(total) if total.isdecimal() else start + int(length) if length else None


def _handle_invalid_range(error: urllib.error.HTTPError, part: Path, size: int) -> None:
    """Handle HTTP status 416, which means that the file on the server has at most `size` bytes.

    If the lengths differ, `part` is deleted and OSError is raised, so that the next attempt starts from the beginning.
    """
    total = error.headers.get("Content-Range", "").rpartition("/")[2]
    if total not in ("", str(size)):  # without a length from the server, the archive is checked later
        part.unlink()
        raise OSError(f"{part} has {size} bytes, but the file on the server has {total}; starting again")


def _copy(response: Any, write: Callable[[bytes], int], start: int, total: int | None) -> None:
    # read1 returns the received bytes; read would discard the last bytes if the connection is closed
    with tqdm(total=total, initial=start, unit="B", unit_scale=True, desc="ESC-50") as bar:
        while block := response.read1(BLOCK_BYTES):
            write(block)
            bar.update(len(block))


def _check_digest(part: Path, sha256: str | None) -> None:
    if sha256 is None:
        return
    with part.open("rb") as file:
        digest = hashlib.file_digest(file, "sha256").hexdigest()
    if digest != sha256:
        raise DataError(f"the archive has SHA-256 {digest}, expected {sha256}; download it again")
