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
        The network fails (what has come is kept), or the archive is not sound (it is deleted).
    """
    target = folder / "ESC-50-master"
    if target.is_dir():
        return target
    folder.mkdir(parents=True, exist_ok=True)
    part = folder / "esc50.zip.part"
    _fetch(url, part, wait_s)
    try:
        _check_digest(part, sha256)
        unpack(part, target, recordings=recordings)
    except DataError:
        part.unlink(missing_ok=True)
        raise
    part.unlink()
    return target


def _fetch(url: str, part: Path, wait_s: float) -> None:
    error: Exception | None = None
    for attempt in range(TRIES):
        time.sleep(wait_s * attempt)
        try:
            return _continue(url, part)
        except (OSError, HTTPException) as problem:
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
        length = response.headers.get("Content-Length")
        total = start + int(length) if length else None
        with part.open("ab" if resumed else "wb") as file:
            _copy(response, file.write, start, total)
    if total is not None and part.stat().st_size != total:
        raise OSError(f"the connection broke at {part.stat().st_size} of {total} bytes")


def _refused_range(error: urllib.error.HTTPError, part: Path, have: int) -> None:
    """416: the server has nothing after `have`. If that is its whole file, we are done; if not, start again."""
    told = error.headers.get("Content-Range", "").rpartition("/")[2]
    if told != str(have):
        part.unlink()
        raise OSError(f"{have} bytes were kept of a file that now has {told or 'another length'}; starting again")


def _copy(response: Any, write: Callable[[bytes], int], start: int, total: int | None) -> None:
    with tqdm(total=total, initial=start, unit="B", unit_scale=True, desc="ESC-50") as bar:
        while block := response.read(BLOCK_BYTES):
            write(block)
            bar.update(len(block))


def _check_digest(part: Path, sha256: str | None) -> None:
    if sha256 is None:
        return
    with part.open("rb") as file:
        found = hashlib.file_digest(file, "sha256").hexdigest()
    if found != sha256:
        raise DataError(f"the archive has the SHA-256 {found}, expected {sha256}; fetch it again")
