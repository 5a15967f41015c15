"""Data sets: where clips come from, and what may go wrong on the way.

A data set is a list of clips, each with a label, a fold and a source of samples. Folds are official: clips cut
from one recording of a class stay in one fold, so that a test asks for new recordings. The rest of the lesson is about
trust: tables that lie, transfers that break, archives that want to write where they should not, caches that
were cut short. Each gets one clear error, and nothing is left half done.
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


def esc50_folder(root: Path, *, clips: int = 10) -> Path:
    """A tiny set in the official layout: three classes, two folds, two takes of each source, half a second each."""
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


def test_the_official_layout_is_read_from_the_folder_or_its_parent(tmp_path: Path) -> None:
    root = esc50_folder(tmp_path / "ESC-50-master")
    data = esc50.load(root)
    assert data.name == "ESC-50"
    assert data.classes == ("dog", "rooster", "cat")  # in the order of the targets 0, 1, 5
    assert [clip.label for clip in data.clips][:3] == [2, 1, 0]
    assert [clip.name for clip in esc50.load(tmp_path).clips] == [clip.name for clip in data.clips]
    waveform, rate_hz = data.clips[0].source()
    assert (waveform.shape, waveform.dtype, rate_hz) == ((22050,), np.float32, 44100)


def test_esc10_keeps_its_classes_and_numbers_them_from_zero(tmp_path: Path) -> None:
    data = esc50.load(esc50_folder(tmp_path), esc10=True)
    assert (data.name, data.classes) == ("ESC-10", ("dog", "rooster"))
    assert set(data.labels) == {0, 1}


def test_a_split_shares_no_clip_and_loses_none(tmp_path: Path) -> None:
    data = esc50.load(esc50_folder(tmp_path))
    train, test = data.split(2)
    assert {clip.fold for clip in test} == {2}
    assert 2 not in {clip.fold for clip in train}
    assert {clip.name for clip in train} | {clip.name for clip in test} == {clip.name for clip in data.clips}
    sources = [{clip.name.split("-")[1] for clip in side} for side in (train, test)]
    assert not sources[0] & sources[1]  # both takes of a source are on one side
    with pytest.raises(DataError, match=r"no test fold 3 beside others: its folds are \[1, 2\]"):
        data.split(3)


def _no_column(root: Path) -> None:
    table = root / "meta" / "esc50.csv"
    table.write_text(table.read_text().replace("fold", "part", 1))


def _no_number(root: Path) -> None:
    table = root / "meta" / "esc50.csv"
    table.write_text(table.read_text().replace(",1,5,", ",one,5,", 1))


def _no_decimal(root: Path) -> None:
    table = root / "meta" / "esc50.csv"
    table.write_text(table.read_text().replace(",1,5,", ",²,5,", 1), encoding="utf-8")


def _no_text(root: Path) -> None:
    (root / "meta" / "esc50.csv").write_bytes(b"filename,fold,target,category,esc10\n\xe9.wav,1,0,dog,True\n")


def _no_recording(root: Path) -> None:
    (root / "audio" / "1-1000-A-5.wav").unlink()


def _no_rows(root: Path) -> None:
    table = root / "meta" / "esc50.csv"
    table.write_text(table.read_text().splitlines()[0])


@pytest.mark.parametrize(
    ("harm", "message"),
    [
        (lambda root: shutil.rmtree(root / "meta"), "there is no meta/esc50.csv in .*--download"),
        (_no_column, "lacks the columns .'fold'."),
        (_no_number, "line 2: expected a file name, whole fold and target"),
        (_no_decimal, "line 2: expected a file name, whole fold and target"),
        (_no_text, "cannot be read as a table"),
        (_no_recording, "1 of 10 recordings are missing, first 1-1000-A-5.wav"),
        (_no_rows, "no such clips"),
    ],
)
def test_a_damaged_folder_is_one_clear_error(tmp_path: Path, harm, message: str) -> None:
    harm(esc50_folder(tmp_path))
    with pytest.raises(DataError, match=message):
        esc50.load(tmp_path)


def test_a_table_without_esc10_clips_has_no_esc10(tmp_path: Path) -> None:
    table = esc50_folder(tmp_path) / "meta" / "esc50.csv"
    table.write_text(table.read_text().replace("True", "False"))
    with pytest.raises(DataError, match="no such clips in its table"):
        esc50.load(tmp_path, esc10=True)


# The synthesized set


@pytest.mark.parametrize("name", SOUNDS)
def test_every_synthesized_sound_is_a_sound(name: str) -> None:
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
def test_a_seed_makes_the_same_samples_whatever_its_length(seed: int, label: int, seconds: float) -> None:
    first, again = (synthetic.sets.synthesize(label, [seed, label, 0], seconds)[0] for _ in range(2))
    np.testing.assert_array_equal(first, again)
    assert np.isfinite(first).all()
    assert len(first) == round(seconds * RATE_HZ)


def linear_accuracy(x: np.ndarray, labels: np.ndarray, tested: np.ndarray) -> float:
    """Ridge regression to one-hot targets on standardized mean log-mels: all that a linear model can use."""
    x = (x - x[~tested].mean(axis=0)) / x[~tested].std(axis=0)
    x = np.hstack([x, np.ones((len(x), 1))])
    a, t = x[~tested], np.eye(10)[labels[~tested]]
    weight = np.linalg.solve(a.T @ a + 10 * np.eye(a.shape[1]), a.T @ t)
    return float(((x[tested] @ weight).argmax(axis=1) == labels[tested]).mean())


def test_a_linear_model_on_mean_spectra_does_not_solve_the_synthesized_set(tmp_path: Path) -> None:
    data = synthetic.load(clips_per_class=10)
    x = features(data.clips, FrontEnd(hop=1280, floor_db=-60.0), cache=tmp_path)[..., 0].mean(axis=1)
    accuracies = [linear_accuracy(x, data.labels, data.folds == fold) for fold in range(1, 6)]
    assert 0.25 < np.mean(accuracies) < 0.75  # chance is 0.1; on fold 1 the CNN has 0.79 in 5 epochs, 0.85 in 8


def test_too_few_synthesized_clips_for_five_folds_are_refused() -> None:
    with pytest.raises(ConfigError, match="clips_per_class >= 5"):
        synthetic.load(clips_per_class=4)


# Features, kept in a file


class Counted:
    """A source that counts how often it is asked."""

    def __init__(self) -> None:
        self.calls = 0

    def __call__(self) -> tuple[np.ndarray, int]:
        self.calls += 1
        return np.sin(np.arange(16000) / 7).astype(np.float32), 32000


def counted_clips(count: int = 4) -> tuple[list[Clip], Counted]:
    source = Counted()
    return [Clip(f"clip {n}", 0, 1, source, key=f"key {n}") for n in range(count)], source


def test_features_are_computed_once(tmp_path: Path) -> None:
    clips, source = counted_clips()
    first = features(clips, FRONTEND, cache=tmp_path)
    assert (first.shape, first.dtype) == ((4, FRONTEND.frames, 16, 4), np.float32)
    np.testing.assert_array_equal(first[0], FRONTEND(*source()))
    calls = source.calls
    np.testing.assert_array_equal(features(clips, FRONTEND, cache=tmp_path), first)
    assert source.calls == calls


def test_whatever_shapes_the_features_is_in_the_key(tmp_path: Path) -> None:
    clips, source = counted_clips(1)
    changed = [replace(FRONTEND, hop=640), replace(FRONTEND, mels=8), replace(FRONTEND, floor_db=-60.0)]
    for number, frontend in enumerate([FRONTEND, *changed], start=1):
        features(clips, frontend, cache=tmp_path)
        assert source.calls == number
    features([replace(clips[0], key="another recording")], FRONTEND, cache=tmp_path)
    assert source.calls == 5


@pytest.mark.parametrize("how", ["truncated", "flipped", "foreign", "without checksum"])
def test_a_damaged_cache_is_noticed_and_computed_again(tmp_path: Path, capsys, how: str) -> None:
    clips, source = counted_clips()
    first = features(clips, FRONTEND, cache=tmp_path).copy()  # not a map of what is harmed now
    (path,) = tmp_path.glob("*.npy")
    whole = bytearray(path.read_bytes())
    if how == "truncated":
        path.write_bytes(whole[:-100])
    elif how == "flipped":
        whole[-50] ^= 1
        path.write_bytes(whole)
    elif how == "foreign":
        np.save(path, np.zeros(3))
    else:
        path.with_suffix(".sum").unlink()
    calls = source.calls
    np.testing.assert_array_equal(features(clips, FRONTEND, cache=tmp_path), first)
    assert source.calls == calls + 4
    assert "is damaged; computing the features again" in capsys.readouterr().out
    features(clips, FRONTEND, cache=tmp_path)
    assert source.calls == calls + 4  # and the new file is sound


KILLED = """
import os, sys
from pathlib import Path
from quatnet.audio import FrontEnd
from quatnet.datasets import Clip, features

clips = [Clip("clip", 0, 1, lambda: os._exit(9), "key 0")]
features(clips, FrontEnd(hop=1280, clip_seconds=0.5, mels=16), cache=Path(sys.argv[1]))
"""


def test_a_run_that_is_killed_leaves_no_file_that_looks_valid(tmp_path: Path) -> None:
    died = subprocess.run([sys.executable, "-c", KILLED, str(tmp_path)], capture_output=True, check=False)
    assert died.returncode == 9  # os._exit: no finally block has run
    assert len(list(tmp_path.glob(".*.part"))) == 1
    assert not list(tmp_path.glob("*.npy"))
    clips, source = counted_clips(1)
    features(clips, FRONTEND, cache=tmp_path)
    assert source.calls == 1


def test_features_are_read_from_the_file_and_not_held_in_memory(tmp_path: Path) -> None:
    clips, _ = counted_clips()
    for _ in ("computed", "kept"):
        found = features(clips, FRONTEND, cache=tmp_path)
        assert isinstance(found, np.memmap)
        assert not found.flags.writeable
        assert found[np.array([True, False, True, False])].flags.writeable  # a copy, as training takes it


def test_an_unreadable_clip_names_itself_and_leaves_no_file(tmp_path: Path) -> None:
    (tmp_path / "bad.wav").write_text("this is no sound")
    from quatnet.audio import read

    clips, _ = counted_clips()
    clips.append(Clip("bad", 0, 1, partial(read, tmp_path / "bad.wav"), key="bad"))
    with pytest.raises(DataError, match=r"bad\.wav"):
        features(clips, FRONTEND, cache=tmp_path / "cache")
    assert not list(tmp_path.glob("cache/*"))


# The download, against a server on this machine


def archive(
    *, recordings: int = 2, extra: dict[str, bytes] | None = None, link: str = "", packing: int = zipfile.ZIP_STORED
) -> bytes:
    """A small archive in the official layout, with hostile members on demand."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", packing) as file:
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
    """Serves one file and remembers what was asked. Can cut connections, ignore ranges, tell a wrong length or none
    (chunked), or answer a range with another one (shift).
    """

    def __init__(self, content: bytes) -> None:
        self.content, self.cuts, self.ranges, self.knows_ranges, self.lie = content, 0, [], True, 0
        self.chunked, self.shift = False, 0
        outer = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                outer.answer(self)

            protocol_version = "HTTP/1.1"

            def log_message(self, *_: object) -> None:
                pass

        self.http = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        threading.Thread(target=self.http.serve_forever, args=(0.01,), daemon=True).start()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.http.server_port}/master.zip"

    def answer(self, handler: BaseHTTPRequestHandler) -> None:
        asked = handler.headers.get("Range")
        self.ranges.append(asked)
        start = int(asked.removeprefix("bytes=").rstrip("-")) if asked and self.knows_ranges else 0
        handler.close_connection = True
        if start >= len(self.content):
            handler.send_response(416)
            handler.send_header("Content-Range", f"bytes */{len(self.content) + self.lie}")
            handler.end_headers()
            return
        rest = self.content[start:]
        handler.send_response(206 if start else 200)
        if start:
            place = f"{start + self.shift}-{len(self.content) - 1}"
            handler.send_header("Content-Range", f"bytes {place}/{len(self.content) + self.lie}")
        if self.chunked:
            handler.send_header("Transfer-Encoding", "chunked")
        else:
            handler.send_header("Content-Length", str(len(rest) + self.lie))
        handler.end_headers()
        if self.cuts:
            self.cuts -= 1
            rest = rest[: len(rest) // 2]
            ending = b""
        else:
            ending = b"0\r\n\r\n"
        handler.wfile.write(b"%x\r\n%b\r\n%b" % (len(rest), rest, ending) if self.chunked else rest)


@pytest.fixture
def server() -> Iterator[Server]:
    serving = Server(archive())
    yield serving
    serving.http.shutdown()
    serving.http.server_close()


def fetch(server: Server, folder: Path, **options: object) -> Path:
    return download(folder, url=server.url, recordings=2, wait_s=0, **options)


def test_an_archive_is_fetched_unpacked_and_tidied_up(server: Server, tmp_path: Path) -> None:
    root = fetch(server, tmp_path)
    assert (root / "audio" / "1.wav").read_bytes() == b"\x01" * 50_000
    assert [path.name for path in tmp_path.iterdir()] == ["ESC-50-master"]
    fetch(server, tmp_path)
    assert len(server.ranges) == 1  # what is there is not fetched again


def test_a_cut_connection_goes_on_where_it_broke(server: Server, tmp_path: Path) -> None:
    server.cuts = 2
    fetch(server, tmp_path)
    half = len(server.content) // 2
    assert server.ranges[:2] == [None, f"bytes={half}-"]
    assert len(server.ranges) == 3


def test_a_cut_connection_of_untold_length_goes_on_too(server: Server, tmp_path: Path) -> None:
    server.cuts, server.chunked = 1, True  # as GitHub sends its archives
    fetch(server, tmp_path)
    assert server.ranges == [None, f"bytes={len(server.content) // 2}-"]


def test_another_range_than_the_one_asked_for_starts_again(server: Server, tmp_path: Path) -> None:
    server.cuts, server.shift = 1, -10
    root = fetch(server, tmp_path)
    assert (root / "audio" / "0.wav").stat().st_size == 50_000
    assert server.ranges == [None, f"bytes={len(server.content) // 2}-", None]


def test_a_part_from_an_earlier_call_is_used(server: Server, tmp_path: Path) -> None:
    server.cuts = 4  # more than one call tries
    with pytest.raises(DataError, match="run it again to go on from"):
        fetch(server, tmp_path)
    kept = (tmp_path / "esc50.zip.part").stat().st_size
    assert 0 < kept < len(server.content)
    server.ranges.clear()
    fetch(server, tmp_path)
    assert server.ranges == [f"bytes={kept}-"]


def test_a_server_without_ranges_starts_again(server: Server, tmp_path: Path) -> None:
    server.knows_ranges, server.cuts = False, 1
    root = fetch(server, tmp_path)
    assert (root / "audio" / "0.wav").stat().st_size == 50_000


def test_a_part_that_is_whole_already_is_taken(server: Server, tmp_path: Path) -> None:
    (tmp_path / "esc50.zip.part").write_bytes(server.content)
    assert fetch(server, tmp_path).is_dir()


def test_a_part_of_another_file_is_thrown_away(server: Server, tmp_path: Path) -> None:
    (tmp_path / "esc50.zip.part").write_bytes(server.content + b"more than there is")
    assert fetch(server, tmp_path).is_dir()
    assert server.ranges[1] is None


@pytest.mark.parametrize("length", [1000, len(archive())])
def test_a_stale_part_that_makes_an_unsound_archive_is_thrown_away(server: Server, tmp_path: Path, length: int) -> None:
    (tmp_path / "esc50.zip.part").write_bytes(b"z" * length)
    assert fetch(server, tmp_path).is_dir()
    assert server.ranges == [f"bytes={length}-", None]


def test_a_full_disk_keeps_what_was_fetched(server: Server, tmp_path: Path, monkeypatch) -> None:
    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(zipfile.ZipFile, "extractall", full)
    with pytest.raises(DataError, match=r"could not unpack .*No space left"):
        fetch(server, tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["esc50.zip.part"]


def test_a_wrong_length_is_an_error(server: Server, tmp_path: Path) -> None:
    server.lie = 1000
    with pytest.raises(DataError, match="could not fetch"):
        fetch(server, tmp_path)
    assert not (tmp_path / "ESC-50-master").exists()


def test_no_server_is_one_line(tmp_path: Path) -> None:
    for url in ("http://127.0.0.1:9/none.zip", "no address"):
        with pytest.raises(DataError, match=r"could not fetch .*--data DIR"):
            download(tmp_path, url=url, wait_s=0)


def _flipped(content: bytes) -> bytes:
    place = content.index(b"\x01" * 1000) + 500
    return content[:place] + b"\x00" + content[place + 1 :]


def _flipped_deflated() -> bytes:
    """The first byte of the packed table is turned round: no longer a deflate stream at all."""
    content = bytearray(archive(packing=zipfile.ZIP_DEFLATED))
    content[30 + len("ESC-50-master/meta/esc50.csv")] ^= 0xFF
    return bytes(content)


def _encrypted() -> bytes:
    content = bytearray(archive())
    content[content.index(b"PK\x03\x04") + 6] |= 1
    content[content.index(b"PK\x01\x02") + 8] |= 1
    return bytes(content)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (_flipped_deflated(), "damaged"),
        (_encrypted(), "damaged or cannot be unpacked: .*encrypted"),
        (archive(extra={".": b""}), "leaves its folder"),
        (archive()[:-3000], "damaged"),
        (_flipped(archive()), r"wrong checksum of ESC-50-master/audio/1\.wav"),
        (b"<html>not found</html>", "damaged"),
        (
            archive(recordings=1),
            "expected one folder with meta/esc50.csv and 2 recordings, got 1 folders, a table and 1",
        ),
        (archive(extra={"other/file": b""}), "got 2 folders"),
        (archive(extra={"../evil.txt": b"x"}), "leaves its folder"),
        (archive(extra={"ESC-50-master/../../evil.txt": b"x"}), "leaves its folder"),
        (archive(extra={"/evil.txt": b"x"}), "leaves its folder"),
        (archive(extra={"C:\\evil.txt": b"x"}), "leaves its folder"),
        (archive(extra={"ESC-50-master\\..\\evil.txt": b"x"}), "leaves its folder"),
        (archive(link="ESC-50-master/link"), "leaves its folder"),
    ],
)
def test_an_unsound_archive_is_refused_and_nothing_is_written(
    server: Server, tmp_path: Path, content: bytes, message: str
) -> None:
    server.content = content
    folder = tmp_path / "inner" / "data"
    with pytest.raises(DataError, match=message):
        fetch(server, folder)
    assert not list(folder.iterdir())
    assert [path.name for path in tmp_path.rglob("*")] == ["inner", "data"]


def test_a_digest_is_checked_where_it_is_known(server: Server, tmp_path: Path) -> None:
    with pytest.raises(DataError, match="SHA-256"):
        fetch(server, tmp_path, sha256="0" * 64)


def test_a_data_set_is_only_records() -> None:
    clip = Clip("a", 0, 1, Counted(), "key")
    data = Dataset("one", ("a",), (clip, replace(clip, fold=2)))
    assert (data.labels.tolist(), data.folds.tolist()) == ([0, 0], [1, 2])


def test_the_ten_class_part_needs_only_its_own_recordings(tmp_path: Path) -> None:
    root = esc50_folder(tmp_path)
    for path in (root / "audio").glob("*-5.wav"):  # target 5 is not in ESC-10
        path.unlink()
    assert len(esc50.load(root, esc10=True).clips) == 6
    with pytest.raises(DataError, match="4 of 10 recordings are missing"):
        esc50.load(root)
