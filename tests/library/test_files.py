"""Tests of atomic writing: interrupted and concurrent writers, temporary files, links and permissions."""

import errno
import json
import os
import stat
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from quatnet import files
from quatnet.errors import DataError
from quatnet.files import atomic_write, disk_errors, write_json

posix = pytest.mark.skipif(os.name != "posix", reason="locks, links and permissions of POSIX")


def test_write_json_is_atomic(tmp_path: Path):
    path = tmp_path / "folder" / "results.json"
    write_json(path, {"a": [1, 2]})
    assert json.loads(path.read_text()) == {"a": [1, 2]}
    with pytest.raises(TypeError):
        write_json(path, {"a": object()})
    with pytest.raises(TypeError), atomic_write(path) as file:
        file.write([file.write(b"half")])
    assert json.loads(path.read_text()) == {"a": [1, 2]}
    assert [p.name for p in path.parent.iterdir()] == ["results.json"]


HANG = """
import sys, time
from quatnet.files import atomic_write

with atomic_write(sys.argv[1]) as file:
    file.write(b"half")
    file.flush()
    print("written", flush=True)
    time.sleep(60)
"""


@posix
def test_temporary_files_of_killed_processes_are_removed(tmp_path: Path) -> None:
    path = tmp_path / "results [1].json"
    killed, running = (
        subprocess.Popen([sys.executable, "-c", HANG, path], stdout=subprocess.PIPE, text=True) for _ in range(2)
    )
    for process in (killed, running):
        assert process.stdout.readline() == "written\n"
    assert len(list(tmp_path.iterdir())) == 2
    killed.kill()
    killed.wait()
    other = tmp_path / ".other.json.0.part"
    other.write_text("{")
    write_json(path, {})
    partial = [p for p in tmp_path.iterdir() if p.suffix == ".part" and p != other]
    assert len(partial) == 1  # the file of the running process
    assert other.exists()
    running.kill()
    running.wait()
    write_json(path, {})
    assert sorted(p.name for p in tmp_path.iterdir()) == [other.name, path.name]


WRITE = """
import sys
from quatnet.files import write_json

for n in range(int(sys.argv[2])):
    write_json(sys.argv[1], {"values": [n] * 2000})
"""


def test_concurrent_writers_and_a_reader(tmp_path: Path) -> None:
    path = tmp_path / "results.json"
    write_json(path, {"values": [0] * 2000})
    command = [sys.executable, "-c", WRITE, path, "100"]
    writers = [subprocess.Popen(command, stderr=subprocess.PIPE) for _ in range(2)]
    while any(writer.poll() is None for writer in writers):
        assert len(set(json.loads(path.read_text())["values"])) == 1
        time.sleep(0.001)
    assert [writer.communicate()[1] for writer in writers] == [b"", b""]
    with ThreadPoolExecutor(4) as pool:
        list(pool.map(lambda n: write_json(path, {"values": [n] * 2000}), range(100)))
    assert os.listdir(tmp_path) == [path.name]


@posix
def test_planted_links_are_not_followed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    victim = tmp_path / "victim"
    victim.write_text("unchanged")
    monkeypatch.setattr(files.secrets, "token_hex", lambda _: "0")
    (tmp_path / ".a.json.0.part").symlink_to(victim)
    with pytest.raises(DataError, match="File exists"):
        write_json(tmp_path / "a.json", {})
    assert victim.read_text() == "unchanged"


@posix
def test_permissions_are_kept(tmp_path: Path) -> None:
    path = tmp_path / "a.json"
    for mode in (0o600, 0o664):
        write_json(path, {})
        path.chmod(mode)
        write_json(path, {"a": 1})
        assert stat.S_IMODE(path.stat().st_mode) == mode


@posix
def test_only_regular_files_are_replaced(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "fifo")
    os.mkfifo(tmp_path / ".a.json.0.part")  # would block a process that opens it
    for name in ("fifo", "."):
        with pytest.raises(DataError, match="not a regular file"):
            write_json(tmp_path / name, {})
    write_json(tmp_path / "a.json", {})
    assert stat.S_ISFIFO((tmp_path / "fifo").stat().st_mode)


@posix
def test_file_system_without_locks(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def unsupported(*_: object) -> None:
        raise OSError("operation not supported")

    monkeypatch.setattr(files.fcntl, "flock", unsupported)
    (tmp_path / ".a.json.0.part").write_text("of another process")
    write_json(tmp_path / "a.json", {})
    assert sorted(os.listdir(tmp_path)) == [".a.json.0.part", "a.json"]
    with files.locked(tmp_path), files.locked(tmp_path, wait=False):
        assert sorted(os.listdir(tmp_path)) == [".a.json.0.part", "a.json"]


@posix
def test_locked_folders(tmp_path: Path) -> None:
    with files.locked(tmp_path):
        with pytest.raises(DataError, match="another process writes into"), files.locked(tmp_path, wait=False):
            pass
        with files.locked(tmp_path.parent, wait=False):
            pass
    with files.locked(tmp_path, wait=False):
        assert os.listdir(tmp_path) == []


@pytest.mark.parametrize(
    ("number", "advice"),
    [
        (errno.ENOSPC, "free disk space"), (errno.EACCES, "permissions"), (errno.EROFS, "permissions"),
        (errno.EEXIST, "give another path"), (errno.ENOTDIR, "give another path"), (errno.ENOENT, "give another path"),
    ],
)  # fmt: skip
def test_advice_fits_the_error(number, advice):
    with pytest.raises(DataError, match=advice) as caught, disk_errors("out"):
        raise OSError(number, os.strerror(number))
    assert ("disk" in str(caught.value)) == (number == errno.ENOSPC)
