"""Downloads from servers that misbehave. The behaviors are in tests/support/hostile.py."""

import os
import threading
import time
from importlib import import_module
from pathlib import Path
from urllib.request import Request

import pytest
from support.hostile import BEHAVIORS, archive, send, serving

from quatnet import files
from quatnet.datasets import archives, download
from quatnet.errors import DataError

module = import_module("quatnet.datasets.download")


@pytest.fixture(autouse=True)
def _short_limits(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "STALL_S", 0.5)
    monkeypatch.setattr(module, "MAX_BYTES", 20 << 20)
    monkeypatch.setattr(archives, "MAX_BYTES", 20 << 20)


def get(folder: Path, url: str) -> Path:
    return download(folder, url=url, num_recordings=1, wait_s=0)


@pytest.mark.parametrize("name", BEHAVIORS)
def test_failed_download_gives_one_line_and_the_next_one_succeeds(tmp_path: Path, name: str) -> None:
    start = time.monotonic()
    with serving(BEHAVIORS[name]) as url, pytest.raises(DataError) as error:
        get(tmp_path, url)
    assert time.monotonic() - start < 10
    assert str(error.value).isprintable()
    assert {path.name for path in tmp_path.rglob("*")} <= {"esc50.zip.part"}
    with serving(lambda handler, content: send(handler, content)) as url:
        assert (get(tmp_path, url) / "audio" / "0.wav").stat().st_size == 999


@pytest.mark.parametrize("status", [400, 401, 403, 404, 410, 451])
def test_refusal_is_not_tried_again(tmp_path: Path, status: int) -> None:
    calls = []

    def refuse(handler, content: bytes) -> None:
        calls.append(handler.path)
        send(handler, b"", status)

    with serving(refuse) as url, pytest.raises(DataError, match=str(status)):
        get(tmp_path, url)
    assert len(calls) == 1


@pytest.mark.parametrize("status", [408, 429, 500, 503])
def test_temporary_error_is_tried_again(tmp_path: Path, status: int) -> None:
    calls = []

    def busy(handler, content: bytes) -> None:
        calls.append(handler.path)
        send(handler, content, status if len(calls) < 3 else 200)

    with serving(busy) as url:
        assert get(tmp_path, url).is_dir()
    assert len(calls) == 3


@pytest.mark.parametrize("target", ["http://example.org/x.zip", "HTTP://example.org/x.zip", "ftp://example.org/x"])
def test_redirect_from_https_to_http_is_refused(target: str) -> None:
    request = Request("https://example.org/master.zip")
    with pytest.raises(ValueError, match="refused a redirect from https to"):
        module._SafeRedirects().redirect_request(request, None, 302, "Found", {}, target)
    assert (
        module._SafeRedirects().redirect_request(request, None, 302, "Found", {}, "https://example.org/y") is not None
    )


@pytest.mark.parametrize("url", ["file:///etc/passwd", "ftp://127.0.0.1/x.zip", "data:text/plain,x", "master.zip", ""])
def test_other_addresses_are_refused(tmp_path: Path, url: str) -> None:
    with pytest.raises(DataError, match="could not download"):
        get(tmp_path, url)


@pytest.mark.skipif(files.fcntl is None, reason="no file locks on Windows")
def test_second_download_into_a_folder_is_refused(tmp_path: Path) -> None:
    started, ended = threading.Event(), threading.Event()

    def slow(handler, content: bytes) -> None:
        started.set()
        ended.wait(10)
        send(handler, content)

    with serving(slow) as url:
        module.STALL_S = 10.0
        first = threading.Thread(target=get, args=(tmp_path, url))
        first.start()
        started.wait(10)
        with pytest.raises(DataError, match=r"another process writes into .*; wait until it ends"):
            get(tmp_path, url)
        ended.set()
        first.join()
    assert [path.name for path in tmp_path.iterdir()] == ["ESC-50-master"]


def test_archive_needs_free_space(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    usage = type("Usage", (), {"free": 1000})
    monkeypatch.setattr(archives.shutil, "disk_usage", lambda _: usage)
    files = {"ESC-50-master/meta/esc50.csv": b"", "ESC-50-master/audio/0.wav": bytes(5000)}
    content = archive(files)
    with serving(lambda handler, _: send(handler, content)) as url, pytest.raises(DataError, match="No space left"):
        get(tmp_path, url)
    assert [path.name for path in tmp_path.iterdir()] == ["esc50.zip.part"]  # the archive is valid and is kept


@pytest.mark.parametrize("plant", ["link", "pipe", "folder"])
def test_planted_partial_file_is_not_followed(tmp_path: Path, plant: str) -> None:
    part, outside = tmp_path / "data" / "esc50.zip.part", tmp_path / "outside"
    part.parent.mkdir()
    outside.write_bytes(b"keep")
    {"link": lambda: part.symlink_to(outside), "pipe": lambda: os.mkfifo(part), "folder": part.mkdir}[plant]()
    with serving(lambda handler, content: send(handler, content)) as url:
        if plant == "folder":
            with pytest.raises(DataError, match=r"esc50\.zip\.part"):
                get(part.parent, url)
        else:
            assert get(part.parent, url).is_dir()
    assert outside.read_bytes() == b"keep"


def test_another_version_of_esc50_gives_a_warning(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with serving(lambda handler, content: send(handler, content)) as url:
        monkeypatch.setattr(module, "ESC50_URL", url)
        with pytest.warns(UserWarning, match="ESC-50 has changed since 2026"):
            get(tmp_path, url)
