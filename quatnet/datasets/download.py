"""Fetch the official ESC-50 archive: resumed where it broke off, checked, and unpacked all or nothing."""

import hashlib
import time
import urllib.error
import urllib.request
from collections.abc import Callable
from http.client import HTTPException
from pathlib import Path
from typing import Any

from tqdm import tqdm

from ..errors import DataError
from .unpack import unpack

ESC50_URL = "https://github.com/karolpiczak/ESC-50/archive/master.zip"
TRIES = 4
BLOCK_BYTES = 1 << 18


def download(
    folder: Path, *, url: str = ESC50_URL, sha256: str | None = None, recordings: int = 2000, wait_s: float = 1.0
) -> Path:
    """Return the folder of ESC-50 under `folder`, fetching and unpacking it unless it is there already.

    The archive grows in `esc50.zip.part`; a cut connection is resumed from its end, in this call and in the next.
    The length that the server tells, the checksums in the archive, `sha256` where it is given, and the number of
    `recordings` are checked before anything is unpacked.

    Raises
    ------
    DataError
        The network fails or there is no room (what has come is kept), or the archive is not sound (it is deleted).
    """
    target = folder / "ESC-50-master"
    if target.is_dir():
        return target
    folder.mkdir(parents=True, exist_ok=True)
    part = folder / "esc50.zip.part"
    kept = part.exists()
    _fetch(url, part, wait_s)
    try:
        _install(part, target, sha256, recordings)
    except DataError:
        if not kept or part.exists():
            raise
        _fetch(url, part, wait_s)  # what an earlier call kept was of another archive: once more, from nothing
        _install(part, target, sha256, recordings)
    return target


def _install(part: Path, target: Path, sha256: str | None, recordings: int) -> None:
    try:
        _check_digest(part, sha256)
        unpack(part, target, recordings=recordings)
    except OSError as error:
        raise DataError(f"could not unpack {part} ({error}); make room, then run it again") from error
    except DataError:
        part.unlink()
        raise
    part.unlink()


def _fetch(url: str, part: Path, wait_s: float) -> None:
    error: Exception | None = None
    for attempt in range(TRIES):
        time.sleep(wait_s * attempt)
        try:
            return _continue(url, part)
        except (OSError, HTTPException, ValueError) as problem:
            error = problem
    raise DataError(f"could not fetch {url}: {error}; run it again to go on from {part}, or give --data DIR")


def _continue(url: str, part: Path) -> None:
    """Fetch what is missing; OSError where fewer bytes come than the server tells."""
    have = part.stat().st_size if part.exists() else 0
    request = urllib.request.Request(url, headers={"Range": f"bytes={have}-"} if have else {})
    try:
        response = urllib.request.urlopen(request, timeout=60)
    except urllib.error.HTTPError as error:
        if error.code != 416:
            raise
        return _refused_range(error, part, have)
    with response:
        resumed = response.status == 206
        start = have if resumed else 0
        total = _total(response, part, start)
        with part.open("ab" if resumed else "wb") as file:
            _copy(response, file.write, start, total)
    if total is not None and part.stat().st_size != total:
        raise OSError(f"the connection broke at {part.stat().st_size} of {total} bytes")


def _total(response: Any, part: Path, start: int) -> int | None:
    """The length of the whole file, where the server tells it."""
    span, _, whole = response.headers.get("Content-Range", "").partition("/")
    if span and not span.startswith(f"bytes {start}-"):
        part.unlink()
        raise OSError(f"asked for the bytes from {start} on, got {span}; starting again")
    length = response.headers.get("Content-Length")
    return int(whole) if whole.isdecimal() else start + int(length) if length else None


def _refused_range(error: urllib.error.HTTPError, part: Path, have: int) -> None:
    """416: the server has nothing after `have`. If that is its whole file, we are done; if not, start again."""
    told = error.headers.get("Content-Range", "").rpartition("/")[2]
    if told not in ("", str(have)):  # untold: the checks of the archive will see
        part.unlink()
        raise OSError(f"{have} bytes were kept of a file that now has {told or 'another length'}; starting again")


def _copy(response: Any, write: Callable[[bytes], int], start: int, total: int | None) -> None:
    # read1 gives what has come: read would lose the last block when a connection breaks
    with tqdm(total=total, initial=start, unit="B", unit_scale=True, desc="ESC-50") as bar:
        while block := response.read1(BLOCK_BYTES):
            write(block)
            bar.update(len(block))


def _check_digest(part: Path, sha256: str | None) -> None:
    if sha256 is None:
        return
    with part.open("rb") as file:
        found = hashlib.file_digest(file, "sha256").hexdigest()
    if found != sha256:
        raise DataError(f"the archive has the SHA-256 {found}, expected {sha256}; fetch it again")
