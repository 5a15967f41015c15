"""Tests of the ESC-50 loader, the synthesized data set, the feature cache and the download.

The folds of ESC-50 are official. Clips of one source and class are in one fold. Invalid tables, interrupted downloads,
damaged or unsafe archives and damaged cache files must raise an error and leave no partial files.
"""

import csv
import io
import shutil
import stat
import subprocess
import sys
import threading
import zipfile
from collections.abc import Iterator
from dataclasses import replace
from functools import partial
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import numpy as np
import pytest
import soundfile
from hypothesis import given, settings
from hypothesis import strategies as st

from quatnet.audio import FrontEnd
from quatnet.datasets import Clip, Dataset, download, esc50, features, synthetic
from quatnet.datasets.synthetic.sounds import SOUNDS
from quatnet.datasets.synthetic.waveforms import RATE_HZ
from quatnet.errors import ConfigError, DataError

FRONTEND = FrontEnd(hop=1280, clip_seconds=0.5, mels=16)
CATEGORIES = {0: "dog", 1: "rooster", 5: "cat"}


def make_esc50_folder(root: Path, *, clips: int = 10) -> Path:
    """Write a small data set in the official layout.

    The data set has three classes, two folds and two takes of 0.5 s per source.
    """
    (root / "meta").mkdir(parents=True)
    (root / "audio").mkdir()
    rng = np.random.default_rng(0)
    with (root / "meta" / "esc50.csv").open("w", newline="") as file:
        table = csv.writer(file)
        table.writerow(["filename", "fold", "target", "category", "esc10", "src_file", "take"])
        for number in range(clips):
            target, source, take = (5, 1, 0)[number % 3], 1000 + number // 2, "AB"[number % 2]
            name = f"{1 + source % 2}-{source}-{take}-{target}.wav"
            soundfile.write(root / "audio" / name, rng.uniform(-0.5, 0.5, 22050), 44100)
            table.writerow([name, 1 + source % 2, target, CATEGORIES[target], target != 5, source, take])
    return root


def test_esc50_folder_or_its_parent(tmp_path: Path) -> None:
    root = make_esc50_folder(tmp_path / "ESC-50-master")
    data = esc50.load(root)
    assert data.name == "ESC-50"
    assert data.classes == ("dog", "rooster", "cat")  # the classes are in the order of the targets 0, 1, 5
    assert [clip.label for clip in data.clips][:3] == [2, 1, 0]
    assert [clip.name for clip in esc50.load(tmp_path).clips] == [clip.name for clip in data.clips]
    waveform, rate_hz = data.clips[0].source()
    assert (waveform.shape, waveform.dtype, rate_hz) == ((22050,), np.float32, 44100)


def test_esc10_labels(tmp_path: Path) -> None:
    data = esc50.load(make_esc50_folder(tmp_path), esc10=True)
    assert (data.name, data.classes) == ("ESC-10", ("dog", "rooster"))
    assert set(data.labels) == {0, 1}


def test_split_is_a_partition(tmp_path: Path) -> None:
    data = esc50.load(make_esc50_folder(tmp_path))
    train, test = data.split(2)
    assert {clip.fold for clip in test} == {2}
    assert 2 not in {clip.fold for clip in train}
    assert {clip.name for clip in train} | {clip.name for clip in test} == {clip.name for clip in data.clips}
    sources = [{clip.name.split("-")[1] for clip in part} for part in (train, test)]
    assert not sources[0] & sources[1]  # both takes of a source are in the same part
    with pytest.raises(DataError, match=r"no test fold 3 besides training folds; its folds are \[1, 2\]"):
        data.split(3)


def _rename_column(root: Path) -> None:
    table = root / "meta" / "esc50.csv"
    table.write_text(table.read_text().replace("fold", "part", 1))


def _non_numeric_fold(root: Path) -> None:
    table = root / "meta" / "esc50.csv"
    table.write_text(table.read_text().replace(",1,5,", ",one,5,", 1))


def _superscript_fold(root: Path) -> None:
    table = root / "meta" / "esc50.csv"
    table.write_text(table.read_text().replace(",1,5,", ",²,5,", 1), encoding="utf-8")


def _invalid_utf8(root: Path) -> None:
    (root / "meta" / "esc50.csv").write_bytes(b"filename,fold,target,category,esc10\n\xe9.wav,1,0,dog,True\n")


def _remove_recording(root: Path) -> None:
    (root / "audio" / "1-1000-A-5.wav").unlink()


def _remove_rows(root: Path) -> None:
    table = root / "meta" / "esc50.csv"
    table.write_text(table.read_text().splitlines()[0])


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (lambda root: shutil.rmtree(root / "meta"), "no meta/esc50.csv in .*datasets.download fetches ESC-50"),
        (_rename_column, "has no columns .'fold'."),
        (_non_numeric_fold, "line 2: expected a file name, and integers for fold and target"),
        (_superscript_fold, "line 2: expected a file name, and integers for fold and target"),
        (_invalid_utf8, "cannot be read as a table"),
        (_remove_recording, "1 of 10 recordings are missing, first 1-1000-A-5.wav"),
        (_remove_rows, "no clips of the requested set"),
    ],
)
def test_esc50_invalid_folder(tmp_path: Path, damage, message: str) -> None:
    damage(make_esc50_folder(tmp_path))
    with pytest.raises(DataError, match=message):
        esc50.load(tmp_path)


def test_esc10_without_clips(tmp_path: Path) -> None:
    table = make_esc50_folder(tmp_path) / "meta" / "esc50.csv"
    table.write_text(table.read_text().replace("True", "False"))
    with pytest.raises(DataError, match="no clips of the requested set in the table"):
        esc50.load(tmp_path, esc10=True)


# Synthesized sounds


@pytest.mark.parametrize("name", SOUNDS)
def test_synthesized_waveforms(name: str) -> None:
    data = synthetic.load(clips_per_class=5)
    clips = [clip for clip in data.clips if data.classes[clip.label] == name]
    waves = [clip.source()[0] for clip in clips]
    assert sorted(clip.fold for clip in clips) == [1, 2, 3, 4, 5]
    for wave in waves:
        assert wave.dtype == np.float32
        assert wave.shape == (5 * RATE_HZ,)
        assert np.isfinite(wave).all()
        assert 0.04 < np.abs(wave).max() <= 1
    assert not np.array_equal(waves[0], waves[1])


@settings(max_examples=10)
@given(seed=st.integers(0, 2**32), label=st.integers(0, 9), seconds=st.sampled_from([0.1, 0.5, 2.0]))
def test_synthesis_is_deterministic(seed: int, label: int, seconds: float) -> None:
    sound = list(SOUNDS.values())[label]
    first, second = (synthetic.sets.synthesize(sound, [seed, label, 0], seconds)[0] for _ in range(2))
    np.testing.assert_array_equal(first, second)
    assert np.isfinite(first).all()
    assert len(first) == round(seconds * RATE_HZ)


def linear_accuracy(x: np.ndarray, labels: np.ndarray, test: np.ndarray) -> float:
    """Return the test accuracy of ridge regression to one-hot targets on standardized features."""
    x = (x - x[~test].mean(axis=0)) / x[~test].std(axis=0)
    x = np.hstack([x, np.ones((len(x), 1))])
    a, t = x[~test], np.eye(10)[labels[~test]]
    weight = np.linalg.solve(a.T @ a + 10 * np.eye(a.shape[1]), a.T @ t)
    return float(((x[test] @ weight).argmax(axis=1) == labels[test]).mean())


def test_synthesized_set_is_not_linearly_separable(tmp_path: Path) -> None:
    data = synthetic.load(clips_per_class=10)
    x = features(data.clips, FrontEnd(hop=1280, floor_db=-60.0), cache=tmp_path)[..., 0].mean(axis=1)
    accuracies = [linear_accuracy(x, data.labels, data.folds == fold) for fold in range(1, 6)]
    # The accuracy by chance is 0.1. The accuracy of a CNN on fold 1 is 0.79 after 5 epochs and 0.85 after 8 epochs.
    assert 0.25 < np.mean(accuracies) < 0.75


def test_synthesized_set_rejects_too_few_clips() -> None:
    with pytest.raises(ConfigError, match="clips_per_class must be an integer of at least 5"):
        synthetic.load(clips_per_class=4)


# Feature cache


class CountingSource:
    """A clip source that counts its calls."""

    def __init__(self) -> None:
        self.calls = 0

    def __call__(self) -> tuple[np.ndarray, int]:
        self.calls += 1
        return np.sin(np.arange(16000) / 7).astype(np.float32), 32000


def make_clips(count: int = 4) -> tuple[list[Clip], CountingSource]:
    source = CountingSource()
    return [Clip(f"clip {n}", 0, 1, source, key=f"key {n}") for n in range(count)], source


def test_features_are_cached(tmp_path: Path) -> None:
    clips, source = make_clips()
    first = features(clips, FRONTEND, cache=tmp_path)
    assert (first.shape, first.dtype) == ((4, FRONTEND.frames, 16, 4), np.float32)
    np.testing.assert_array_equal(first[0], FRONTEND(*source()))
    calls = source.calls
    np.testing.assert_array_equal(features(clips, FRONTEND, cache=tmp_path), first)
    assert source.calls == calls


def test_feature_key_depends_on_front_end_and_clips(tmp_path: Path) -> None:
    clips, source = make_clips(1)
    changed = [replace(FRONTEND, hop=640), replace(FRONTEND, mels=8), replace(FRONTEND, floor_db=-60.0)]
    for number, frontend in enumerate([FRONTEND, *changed], start=1):
        features(clips, frontend, cache=tmp_path)
        assert source.calls == number
    features([replace(clips[0], key="another recording")], FRONTEND, cache=tmp_path)
    assert source.calls == 5


@pytest.mark.parametrize("how", ["truncated", "flipped bit", "another array", "without checksum"])
def test_damaged_feature_file_is_recomputed(tmp_path: Path, capsys, how: str) -> None:
    clips, source = make_clips()
    # the copy is needed because the memory-mapped file is damaged below
    first = features(clips, FRONTEND, cache=tmp_path).copy()
    (path,) = tmp_path.glob("*.npy")
    content = bytearray(path.read_bytes())
    if how == "truncated":
        path.write_bytes(content[:-100])
    elif how == "flipped bit":
        content[-50] ^= 1
        path.write_bytes(content)
    elif how == "another array":
        np.save(path, np.zeros(3))
    else:
        path.with_suffix(".sum").unlink()
    calls = source.calls
    np.testing.assert_array_equal(features(clips, FRONTEND, cache=tmp_path), first)
    assert source.calls == calls + 4
    assert "is damaged; computing the features again" in capsys.readouterr().out
    features(clips, FRONTEND, cache=tmp_path)
    assert source.calls == calls + 4  # the new cache file is valid and is not computed again


KILLED_SCRIPT = """
import os, sys
from pathlib import Path
from quatnet.audio import FrontEnd
from quatnet.datasets import Clip, features

clips = [Clip("clip", 0, 1, lambda: os._exit(9), "key 0")]
features(clips, FrontEnd(hop=1280, clip_seconds=0.5, mels=16), cache=Path(sys.argv[1]))
"""


def test_killed_process_leaves_no_feature_file(tmp_path: Path) -> None:
    process = subprocess.run([sys.executable, "-c", KILLED_SCRIPT, str(tmp_path)], capture_output=True, check=False)
    assert process.returncode == 9  # os._exit skips finally clauses
    assert len(list(tmp_path.glob(".*.part"))) == 1
    assert not list(tmp_path.glob("*.npy"))
    clips, source = make_clips(1)
    features(clips, FRONTEND, cache=tmp_path)
    assert source.calls == 1


def test_features_are_read_only_and_not_memory_mapped(tmp_path: Path) -> None:
    clips, _ = make_clips()
    for _ in ("computed", "cached"):
        x = features(clips, FRONTEND, cache=tmp_path)
        assert not isinstance(x, np.memmap)  # access to a memory map of a truncated file ends the process
        assert x.frontend_settings == x[1:, ..., :2].frontend_settings == FRONTEND.settings
        assert not x.flags.writeable
        assert x[np.array([True, False, True, False])].flags.writeable  # the selection is a copy


def test_unreadable_clip_error_and_no_feature_file(tmp_path: Path) -> None:
    (tmp_path / "bad.wav").write_text("not an audio file")
    from quatnet.audio import read

    clips, _ = make_clips()
    clips.append(Clip("bad", 0, 1, partial(read, tmp_path / "bad.wav"), key="bad"))
    with pytest.raises(DataError, match=r"bad\.wav"):
        features(clips, FRONTEND, cache=tmp_path / "cache")
    assert not list(tmp_path.glob("cache/*"))


# Download from a local server


def make_archive(
    *, recordings: int = 2, extra: dict[str, bytes] | None = None, link: str = "", compression: int = zipfile.ZIP_STORED
) -> bytes:
    """Return a small zip archive in the official layout, optionally with unsafe members."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", compression) as file:
        file.writestr("ESC-50-master/meta/esc50.csv", "filename,fold,target,category,esc10\n")
        for number in range(recordings):
            file.writestr(f"ESC-50-master/audio/{number}.wav", bytes([number]) * 50_000)
        for name, content in (extra or {}).items():
            file.writestr(name, content)
        if link:
            info = zipfile.ZipInfo(link)
            info.external_attr = (stat.S_IFLNK | 0o777) << 16
            file.writestr(info, "/etc/passwd")
    return buffer.getvalue()


class Server:
    """An HTTP server of one file that records the requested ranges and can respond incorrectly.

    Attributes
    ----------
    interruptions : number of responses to interrupt in the middle
    supports_ranges : whether range requests are supported
    length_error : bytes added to all announced lengths
    chunked : whether responses are chunked, without a length
    shift : bytes added to the start of announced ranges
    """

    def __init__(self, content: bytes) -> None:
        self.content, self.interruptions, self.ranges, self.supports_ranges, self.length_error = content, 0, [], True, 0
        self.chunked, self.shift = False, 0
        outer = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                outer.respond(self)

            protocol_version = "HTTP/1.1"

            def log_message(self, *_: object) -> None:
                pass

        self.http = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        threading.Thread(target=self.http.serve_forever, args=(0.01,), daemon=True).start()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.http.server_port}/master.zip"

    def respond(self, handler: BaseHTTPRequestHandler) -> None:
        requested = handler.headers.get("Range")
        self.ranges.append(requested)
        start = int(requested.removeprefix("bytes=").rstrip("-")) if requested and self.supports_ranges else 0
        handler.close_connection = True
        if start >= len(self.content):
            handler.send_response(416)
            handler.send_header("Content-Range", f"bytes */{len(self.content) + self.length_error}")
            handler.end_headers()
            return
        rest = self.content[start:]
        handler.send_response(206 if start else 200)
        if start:
            interval = f"{start + self.shift}-{len(self.content) - 1}"
            handler.send_header("Content-Range", f"bytes {interval}/{len(self.content) + self.length_error}")
        if self.chunked:
            handler.send_header("Transfer-Encoding", "chunked")
        else:
            handler.send_header("Content-Length", str(len(rest) + self.length_error))
        handler.end_headers()
        if self.interruptions:
            self.interruptions -= 1
            rest = rest[: len(rest) // 2]
            end = b""
        else:
            end = b"0\r\n\r\n"
        handler.wfile.write(b"%x\r\n%b\r\n%b" % (len(rest), rest, end) if self.chunked else rest)


@pytest.fixture
def server() -> Iterator[Server]:
    server = Server(make_archive())
    yield server
    server.http.shutdown()
    server.http.server_close()


def download_from(server: Server, folder: Path, **options: object) -> Path:
    return download(folder, url=server.url, num_recordings=2, wait_s=0, **options)


def test_download_extracts_and_removes_archive(server: Server, tmp_path: Path) -> None:
    root = download_from(server, tmp_path)
    assert (root / "audio" / "1.wav").read_bytes() == b"\x01" * 50_000
    assert [path.name for path in tmp_path.iterdir()] == ["ESC-50-master"]
    download_from(server, tmp_path)
    assert len(server.ranges) == 1  # an existing folder is not downloaded again


def test_download_resumes_after_interruption(server: Server, tmp_path: Path) -> None:
    server.interruptions = 2
    download_from(server, tmp_path)
    half = len(server.content) // 2
    assert server.ranges[:2] == [None, f"bytes={half}-"]
    assert len(server.ranges) == 3


def test_download_resumes_chunked_response(server: Server, tmp_path: Path) -> None:
    server.interruptions, server.chunked = 1, True  # GitHub sends archives as chunked responses
    download_from(server, tmp_path)
    assert server.ranges == [None, f"bytes={len(server.content) // 2}-"]


def test_download_restarts_after_wrong_range(server: Server, tmp_path: Path) -> None:
    server.interruptions, server.shift = 1, -10
    root = download_from(server, tmp_path)
    assert (root / "audio" / "0.wav").stat().st_size == 50_000
    assert server.ranges == [None, f"bytes={len(server.content) // 2}-", None]


def test_download_resumes_partial_file_of_earlier_call(server: Server, tmp_path: Path) -> None:
    server.interruptions = 4  # each call makes four attempts
    with pytest.raises(DataError, match="try again to resume"):
        download_from(server, tmp_path)
    size = (tmp_path / "esc50.zip.part").stat().st_size
    assert 0 < size < len(server.content)
    server.ranges.clear()
    download_from(server, tmp_path)
    assert server.ranges == [f"bytes={size}-"]


def test_download_restarts_without_range_support(server: Server, tmp_path: Path) -> None:
    server.supports_ranges, server.interruptions = False, 1
    root = download_from(server, tmp_path)
    assert (root / "audio" / "0.wav").stat().st_size == 50_000


def test_download_uses_complete_partial_file(server: Server, tmp_path: Path) -> None:
    (tmp_path / "esc50.zip.part").write_bytes(server.content)
    assert download_from(server, tmp_path).is_dir()


def test_download_discards_longer_partial_file(server: Server, tmp_path: Path) -> None:
    (tmp_path / "esc50.zip.part").write_bytes(server.content + b"more bytes")
    assert download_from(server, tmp_path).is_dir()
    assert server.ranges[1] is None


@pytest.mark.parametrize("length", [1000, len(make_archive())])
def test_download_discards_partial_file_of_another_archive(server: Server, tmp_path: Path, length: int) -> None:
    (tmp_path / "esc50.zip.part").write_bytes(b"z" * length)
    assert download_from(server, tmp_path).is_dir()
    assert server.ranges == [f"bytes={length}-", None]


def test_full_disk_keeps_archive(server: Server, tmp_path: Path, monkeypatch) -> None:
    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(zipfile.ZipFile, "extractall", full)
    with pytest.raises(DataError, match=r"could not extract .*No space left"):
        download_from(server, tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["esc50.zip.part"]


def test_download_rejects_wrong_length(server: Server, tmp_path: Path) -> None:
    server.length_error = 1000
    with pytest.raises(DataError, match="could not download"):
        download_from(server, tmp_path)
    assert not (tmp_path / "ESC-50-master").exists()


def test_download_without_server(tmp_path: Path) -> None:
    for url in ("http://127.0.0.1:9/missing.zip", "not a url"):
        with pytest.raises(DataError, match=r"could not download .*by hand"):
            download(tmp_path, url=url, wait_s=0)


def _flip_byte(content: bytes) -> bytes:
    position = content.index(b"\x01" * 1000) + 500
    return content[:position] + b"\x00" + content[position + 1 :]


def _flip_deflated_byte() -> bytes:
    """Return an archive with an invalid deflate stream: the first byte of the compressed table is inverted."""
    content = bytearray(make_archive(compression=zipfile.ZIP_DEFLATED))
    content[30 + len("ESC-50-master/meta/esc50.csv")] ^= 0xFF
    return bytes(content)


def _mark_encrypted() -> bytes:
    content = bytearray(make_archive())
    content[content.index(b"PK\x03\x04") + 6] |= 1
    content[content.index(b"PK\x01\x02") + 8] |= 1
    return bytes(content)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (_flip_deflated_byte(), "damaged"),
        (_mark_encrypted(), "damaged or cannot be extracted: .*encrypted"),
        (make_archive(extra={".": b""}), "outside its folder"),
        (make_archive()[:-3000], "damaged"),
        (_flip_byte(make_archive()), r"Bad CRC-32 for file 'ESC-50-master/audio/1\.wav"),
        (b"<html>not found</html>", "damaged"),
        (
            make_archive(recordings=1),
            "expected one folder with meta/esc50.csv and 2 recordings, got 1 folders, a table and 1",
        ),
        (make_archive(extra={"other/file": b""}), "got 2 folders"),
        (make_archive(extra={"../evil.txt": b"x"}), "outside its folder"),
        (make_archive(extra={"ESC-50-master/../../evil.txt": b"x"}), "outside its folder"),
        (make_archive(extra={"/evil.txt": b"x"}), "outside its folder"),
        (make_archive(extra={"C:\\evil.txt": b"x"}), "outside its folder"),
        (make_archive(extra={"ESC-50-master\\..\\evil.txt": b"x"}), "outside its folder"),
        (make_archive(link="ESC-50-master/link"), "outside its folder"),
    ],
    ids=lambda value: "archive" if isinstance(value, bytes) else str(value),  # an archive contains the time
)
def test_invalid_archive_writes_nothing(server: Server, tmp_path: Path, content: bytes, message: str) -> None:
    server.content = content
    folder = tmp_path / "inner" / "data"
    with pytest.raises(DataError, match=message):
        download_from(server, folder)
    assert not list(folder.iterdir())
    assert [path.name for path in tmp_path.rglob("*")] == ["inner", "data"]


def test_download_checks_sha256(server: Server, tmp_path: Path) -> None:
    with pytest.raises(DataError, match="SHA-256"):
        download_from(server, tmp_path, sha256="0" * 64)


def test_dataset_labels_and_folds() -> None:
    clip = Clip("a", 0, 1, CountingSource(), "key")
    data = Dataset("one", ("a",), (clip, replace(clip, fold=2)))
    assert (data.labels.tolist(), data.folds.tolist()) == ([0, 0], [1, 2])


def test_esc10_needs_only_its_own_recordings(tmp_path: Path) -> None:
    root = make_esc50_folder(tmp_path)
    for path in (root / "audio").glob("*-5.wav"):  # ESC-10 has no target 5
        path.unlink()
    assert len(esc50.load(root, esc10=True).clips) == 6
    with pytest.raises(DataError, match="4 of 10 recordings are missing"):
        esc50.load(root)
