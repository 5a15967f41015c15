"""Download of the official ESC-50 archive, with resumption and validation."""

import errno
import hashlib
import os
import shutil
import threading
import time
import urllib.error
import urllib.request
import warnings
from collections.abc import Iterator
from http.client import HTTPException
from pathlib import Path
from queue import Empty, Queue
from typing import Any
from urllib.parse import urlsplit

from tqdm import tqdm

from ..checks import checked_path
from ..errors import DataError
from ..files import disk_errors, locked
from .archives import MAX_BYTES, extract

ESC50_URL = "https://github.com/karolpiczak/ESC-50/archive/master.zip"
ESC50_SHA256 = "805afc618aff80eff0641d51311647871fead5807da68bb18e43a27db47a79ce"  # of 2026
ATTEMPTS = 4
BLOCK_BYTES = 1 << 15
STALL_S = 30.0  # longest time for a block, about 1 kB/s


def download(
    folder: str | os.PathLike, *, url: str = ESC50_URL, sha256: str | None = None, num_recordings: int = 2000,
    wait_s: float = 1.0,
) -> Path:  # fmt: skip
    """Download and extract ESC-50 (600 MB), unless the data set is already in `folder`, and return its path.

    The archive is written to `esc50.zip.part`. An interrupted download is resumed, in the same call or in the next
    call. The length, the checksums and the number of recordings are checked before extraction.

    Parameters
    ----------
    folder : parent of the new folder `ESC-50-master`, created if necessary
    url : address of the archive
    sha256 : expected SHA-256 digest of the archive. By default, another digest than that of the archive at `ESC50_URL`
        in 2026 gives a warning
    num_recordings : expected number of WAV files
    wait_s : waiting time before the second attempt in seconds. Later attempts wait two and three times as long

    Returns
    -------
    path of the folder that contains `meta` and `audio`

    Raises
    ------
    DataError
        The download fails or stalls, the disk is full, another download into `folder` runs, or the archive is invalid.
        An invalid archive is deleted, a partial archive is kept.
    """
    folder = checked_path(folder)
    target = folder / "ESC-50-master"
    if target.is_dir():
        return target
    with disk_errors(folder):
        folder.mkdir(parents=True, exist_ok=True)
        with locked(folder, wait=False):
            if not target.is_dir():  # another download may have ended in the meantime
                _download_and_install(url, folder / "esc50.zip.part", target, sha256, num_recordings, wait_s)
    return target


def _download_and_install(
    url: str, part: Path, target: Path, sha256: str | None, num_recordings: int, wait_s: float
) -> None:
    if part.is_symlink() or not part.is_file():
        part.unlink(missing_ok=True)
    while True:
        resumed = part.exists()
        _download(url, part, wait_s)
        try:
            _check_digest(part, url, sha256)
            extract(part, target, num_recordings=num_recordings)
            return part.unlink()
        except OSError as error:
            raise DataError(f"could not extract {part} ({error}); free disk space and try again") from error
        except DataError:
            part.unlink()
            if not resumed:  # the partial file of an earlier call may belong to another archive
                raise


def _download(url: str, part: Path, wait_s: float) -> None:
    for attempt in range(ATTEMPTS):
        time.sleep(wait_s * attempt)
        try:
            return _download_rest(url, part)
        except (OSError, HTTPException, ValueError) as error:
            if isinstance(error, DataError):
                part.unlink(missing_ok=True)
            if attempt == ATTEMPTS - 1 or not _is_temporary(error):
                advice = f"try again to resume {part}, or download and unzip it by hand"
                raise DataError(f"could not download {url}: {error}; {advice}") from error


def _is_temporary(error: Exception) -> bool:
    """Return whether another attempt may succeed. A silent or slow server is not tried again."""
    if isinstance(error, urllib.error.HTTPError):
        return error.code >= 500 or error.code in (408, 429)
    stalled = isinstance(getattr(error, "reason", error), TimeoutError)
    return not (stalled or isinstance(error, ValueError) or getattr(error, "errno", None) == errno.ENOSPC)


class _SafeRedirects(urllib.request.HTTPRedirectHandler):
    def redirect_request(self, req: urllib.request.Request, fp: Any, code: int, msg: str, headers: Any, newurl: str):
        if urlsplit(newurl).scheme not in ("https", req.type):
            raise ValueError(f"refused a redirect from {req.type} to {newurl}")
        return super().redirect_request(req, fp, code, msg, headers, newurl)


def _received(request: urllib.request.Request) -> Iterator[Any]:
    """Yield the response, and then its blocks of bytes. Raises TimeoutError after `STALL_S` without a block.

    A daemon thread receives, because a server can delay each single byte.
    """
    queue: Queue[Any] = Queue(maxsize=4)

    def receive() -> None:
        try:
            with urllib.request.build_opener(_SafeRedirects).open(request, timeout=STALL_S) as response:
                queue.put(response)
                while block := response.read(BLOCK_BYTES):
                    queue.put(block)
            queue.put(None)
        except Exception as error:
            if received := getattr(error, "partial", b""):  # the last bytes of an interrupted chunked response
                queue.put(received)
            queue.put(error)

    if request.type not in ("http", "https"):
        raise ValueError("expected an address that starts with https:// or http://")
    threading.Thread(target=receive, daemon=True).start()
    try:
        for item in iter(lambda: queue.get(timeout=STALL_S), None):
            if isinstance(item, Exception):
                raise item
            yield item
    except Empty:
        raise TimeoutError(f"less than {BLOCK_BYTES} bytes in {STALL_S:g} s") from None


def _download_rest(url: str, part: Path) -> None:
    """Append the missing bytes to `part`. Raises OSError if fewer bytes are received than announced."""
    size = part.stat().st_size if part.exists() else 0
    blocks = _received(urllib.request.Request(url, headers={"Range": f"bytes={size}-"} if size else {}))
    try:
        response = next(blocks)
    except urllib.error.HTTPError as error:
        if error.code != 416:  # the server has no bytes after `size`
            raise
        total_bytes = error.headers.get("Content-Range", "").rpartition("/")[2]
        if total_bytes in ("", str(size)):  # without a length from the server, the archive is checked later
            return
        part.unlink()
        raise OSError(
            f"{part} has {size} bytes, but the file on the server has {total_bytes}; starting again"
        ) from error
    start = size if response.status == 206 else 0
    total = _total_bytes(response, part, start)
    if total is not None and total > MAX_BYTES:
        raise DataError(f"the archive has {total} bytes, more than {MAX_BYTES}")
    if total is not None and total - start > shutil.disk_usage(part.parent).free:
        raise OSError(errno.ENOSPC, f"No space left on device for {total - start} bytes")
    bar = tqdm(total=total, initial=start, unit="B", unit_scale=True, desc="ESC-50")
    with bar, part.open("ab" if start else "wb") as file:
        for block in blocks:
            file.write(block)
            bar.update(len(block))
            if file.tell() > MAX_BYTES:
                raise DataError(f"the archive has more than {MAX_BYTES} bytes")
    if total is not None and part.stat().st_size != total:
        raise OSError(f"the connection was closed at {part.stat().st_size} of {total} bytes")


def _total_bytes(response: Any, part: Path, start: int) -> int | None:
    """Return the length of the complete file in bytes, or None if the server does not send the length."""
    span, _, total = response.headers.get("Content-Range", "").partition("/")
    if response.status == 206 and not span.startswith(f"bytes {start}-"):
        part.unlink(missing_ok=True)
        raise OSError(f"requested the bytes from {start}, got {span or 'no range'}; starting again")
    length = response.headers.get("Content-Length")
    return int(total) if total.isdecimal() else start + int(length) if length else None


def _check_digest(part: Path, url: str, sha256: str | None) -> None:
    expected = sha256 or (ESC50_SHA256 if url == ESC50_URL else None)
    if expected is None:
        return
    with part.open("rb") as file:
        digest = hashlib.file_digest(file, "sha256").hexdigest()
    if digest != expected:
        message = f"the archive has SHA-256 {digest}, expected {expected}"
        if sha256:
            raise DataError(f"{message}; download it again")
        warnings.warn(f"{message}; ESC-50 has changed since 2026", stacklevel=2)
