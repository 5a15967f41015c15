"""Data leaks between folds, hostile tables, and macOS files, over all data sets.

No clip may be in two folds, folds may not depend on which other files exist, and a table never makes a loader read a
file outside of its folder.
"""

import os
import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import soundfile
from test_audioset import CLASSES, HEAD, ROWS, make_table, tables
from test_datasets import make_esc50_folder
from test_gtzan_and_ravdess import make_gtzan_folder, make_ravdess_folder

from quatnet.datasets import (
    Clip,
    Dataset,
    PackedClips,
    ShardFormat,
    audioset,
    esc50,
    gtzan,
    index_recordings,
    pack,
    ravdess,
)
from quatnet.errors import DataError, QuatnetError, one_line

SETS = {
    "esc50": (make_esc50_folder, esc50.load),
    "gtzan": (make_gtzan_folder, gtzan.load),
    "gtzan filtered": (make_gtzan_folder, lambda folder: gtzan.load(folder, filtered=True)),
    "ravdess": (make_ravdess_folder, ravdess.load),
}


def recordings(folder: Path) -> list[Path]:
    return sorted(path for path in folder.rglob("*") if path.suffix in (".wav", ".au"))


@pytest.mark.parametrize("name", SETS)
def test_damaged_recordings_are_counted_and_skipped(tmp_path: Path, name: str) -> None:
    make, load = SETS[name]
    make(tmp_path)
    before, (first, second, *_) = load(tmp_path), [Path(clip.source.args[0]) for clip in load(tmp_path).clips]
    first.write_bytes(first.read_bytes()[:60])  # truncated
    second.write_bytes(b"RIFF")
    after = load(tmp_path)
    assert len(after.clips) == len(before.clips) - 2
    assert first.name in after.note
    assert second.name in after.note
    folds = {clip.name: clip.fold for clip in before.clips}
    assert all(folds[clip.name] == clip.fold for clip in after.clips)


@pytest.mark.parametrize("name", ["gtzan", "gtzan filtered", "ravdess"])
def test_folds_do_not_depend_on_other_files(tmp_path: Path, name: str) -> None:
    make, load = SETS[name]
    make(tmp_path)
    folds = {clip.name: clip.fold for clip in load(tmp_path).clips}
    for path in recordings(tmp_path)[::3]:
        path.unlink()
    clips = load(tmp_path).clips
    assert len(clips) < len(folds)
    assert all(folds[clip.name] == clip.fold for clip in clips)


@pytest.mark.parametrize("name", SETS)
def test_incomplete_set_is_named_a_part(tmp_path: Path, name: str) -> None:
    make, load = SETS[name]
    make(tmp_path)
    assert load(tmp_path).note.startswith("A part of ")


@pytest.mark.parametrize("name", SETS)
def test_macos_files_are_ignored(tmp_path: Path, name: str) -> None:
    make, load = SETS[name]
    make(tmp_path / "z")
    names = [clip.name for clip in load(tmp_path).clips]
    for path in [path for path in (tmp_path / "z").rglob("*") if path.is_file()]:
        hidden = tmp_path / "__MACOSX" / path.relative_to(tmp_path / "z")
        hidden.parent.mkdir(parents=True, exist_ok=True)
        for copy in (path.with_name(f"._{path.name}"), hidden, hidden.with_name(f"._{path.name}")):
            copy.write_bytes(b"\0\5\x16\7" * 20)
    assert [clip.name for clip in load(tmp_path).clips] == names


@pytest.mark.parametrize("name", SETS)
@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="no named pipes")
def test_named_pipe_in_place_of_a_recording(tmp_path: Path, name: str) -> None:
    make, load = SETS[name]
    make(tmp_path)
    path = Path(load(tmp_path).clips[0].source.args[0])
    path.unlink()
    os.mkfifo(path)
    try:
        message = load(tmp_path).note
    except DataError as error:
        message = str(error)
    assert path.name in message


@pytest.mark.parametrize("name", SETS)
def test_name_that_is_not_utf8(tmp_path: Path, name: str) -> None:
    make, load = SETS[name]
    folder = Path(os.fsdecode(os.fsencode(tmp_path) + b"/caf\xe9\n"))
    make(tmp_path / "ascii")
    try:
        (tmp_path / "ascii").rename(folder)
    except OSError:
        pytest.skip("the file system refuses such names")
    data = load(folder)
    assert len(data.clips[0].source()[0]) > 0
    data.note.encode()


def test_gtzan_refuses_two_files_of_one_clip(tmp_path: Path) -> None:
    root = make_gtzan_folder(tmp_path, clips=2)
    shutil.copy(root / "pop" / "pop.00001.wav", root / "pop" / "pop.00001.au")
    with pytest.raises(DataError, match=r"pop\.00001\.wav and pop\.00001\.au are the same clip; remove one"):
        gtzan.load(tmp_path)


@pytest.mark.parametrize("name", ["pop.00100.wav", "pop.12345.wav", "pop.0000١.wav", "pop.00001.mp3.wav"])
def test_gtzan_refuses_other_numbers(tmp_path: Path, name: str) -> None:
    root = make_gtzan_folder(tmp_path, clips=2)
    (root / "pop" / "pop.00001.wav").rename(root / "pop" / name)
    with pytest.raises(DataError, match=r"expected a name such as pop\.00000\.wav"):
        gtzan.load(tmp_path)


def test_ravdess_refuses_two_files_of_one_clip(tmp_path: Path) -> None:
    root = make_ravdess_folder(tmp_path, actors=2)
    path = root / "Actor_01/03-01-02-01-02-01-01.wav"
    shutil.copy(path, path.with_suffix(".WAV"))
    if len(list(path.parent.iterdir())) == 9:  # the file system distinguishes lower and upper case
        with pytest.raises(DataError, match="two files of one clip"):
            ravdess.load(tmp_path)


def test_split_refuses_a_clip_in_two_folds() -> None:
    clips = [Clip(f"{n}", 0, 1 + n % 2, lambda: (np.zeros(1), 1), f"key {n}") for n in range(4)]
    Dataset("good", ("a",), tuple(clips)).split(1)
    with pytest.raises(DataError, match="leaky: 1 clips are in fold 1 and another fold, first copy"):
        Dataset("leaky", ("a",), (*clips, replace(clips[1], name="copy", fold=1))).split(1)


def test_audioset_refuses_videos_in_training_and_test_tables(tmp_path: Path) -> None:
    segments = tables(tmp_path)
    other = replace(segments, ids=np.array([b"another-vid", b"-0RWZT-miFs"]), name="train")
    with pytest.raises(DataError, match="1 videos are in train and eval_segments, first -0RWZT-miFs"):
        audioset.check_disjoint(other, segments)
    audioset.check_disjoint(replace(segments, ids=np.array([b"a", b"b"])), segments)


# Tables of ESC-50

HEADER = "filename,fold,target,category,esc10\n"


def esc50_with_rows(folder: Path, rows: str, *, encoding: str = "utf-8") -> Path:
    root = make_esc50_folder(folder / "ESC-50-master")
    shutil.copy(root / "audio" / "1-1000-A-5.wav", folder / "outside.wav")
    (root / "meta" / "esc50.csv").write_bytes((HEADER + rows).encode(encoding, "surrogateescape"))
    return root


ESC50_ROWS = [
    "../../outside.wav,1,0,dog,True",
    "..\\..\\outside.wav,1,0,dog,True",
    "/etc/hostname,1,0,dog,True",
    "C:outside.wav,1,0,dog,True",
    "audio/../1-1000-A-5.wav,1,5,cat,True",
    ".,1,0,dog,True",
    "..,1,0,dog,True",
    ",1,0,dog,True",
    "1-1000-A-5.wav," + "9" * 5000 + ",5,cat,True",
    "1-1000-A-5.wav,1," + "9" * 5000 + ",cat,True",
    "1-1000-A-5.wav,-1,5,cat,True",
    "1-1000-A-5.wav,1.0,5,cat,True",
    "1-1000-A-5.wav,١,5,cat,True",
    "1-1000-A-5.wav,2,5,cat,True",  # the name contains fold 1
    "1-1000-A-5.wav,1,0,dog,True",  # the name contains target 5
    "1-1000-A-5.wav,1,5,cat,yes",
    "1-1000-A-5.wav,1,5,cat",
    "1-1000-A-5.wav,1,5,cat,True,more",
    "1-1000-A-5.wav,1,5,cat,True\n1-1000-A-5.wav,1,5,cat,True",
    "1-1000-A-5.wav,1,5,cat,True\n1-1000-B-1.wav,1,1,dog\x1b[31m,True",
    '1-1000-A-5.wav,1,5,"ca\nt",True',
    "1-1000-A-5.wav\0,1,5,cat,True",
    "caf\udce9.wav,1,5,cat,True",
    '"' + "x" * 200_000 + '",1,5,cat,True',
]


@pytest.mark.parametrize("rows", ESC50_ROWS, ids=range(len(ESC50_ROWS)))
@pytest.mark.parametrize("esc10", [True, False])
def test_esc50_hostile_rows(tmp_path: Path, rows: str, esc10: bool) -> None:
    root = esc50_with_rows(tmp_path, rows)
    with pytest.raises(DataError, match=r"esc50\.csv") as error:
        esc50.load(root, esc10=esc10)
    assert str(error.value).isprintable()


def test_esc50_refuses_two_categories_of_a_target(tmp_path: Path) -> None:
    root = esc50_with_rows(tmp_path, "1-1000-A-5.wav,1,5,cat,True\n2-1003-A-5.wav,2,5,dog,True")
    shutil.copy(root / "audio" / "1-1000-A-5.wav", root / "audio" / "2-1003-A-5.wav")
    with pytest.raises(DataError, match="a target of the table has two categories"):
        esc50.load(root)


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig"])
@pytest.mark.parametrize("true", ["True", "TRUE", "true"])
def test_esc50_table_saved_by_a_spreadsheet(tmp_path: Path, encoding: str, true: str) -> None:
    rows = f"1-1000-A-5.wav,1,5,cat,{true}\r\n1-1000-B-1.wav,1,1,rooster,FALSE\r\n\r\n"
    root = esc50_with_rows(tmp_path, rows, encoding=encoding)
    assert [clip.name for clip in esc50.load(root, esc10=True).clips] == ["1-1000-A-5.wav"]


def test_esc50_table_in_utf16(tmp_path: Path) -> None:
    root = esc50_with_rows(tmp_path, "1-1000-A-5.wav,1,5,cat,True", encoding="utf-16")
    with pytest.raises(DataError, match="cannot be read as a table"):
        esc50.load(root)


# Tables of AudioSet

AUDIOSET_ROWS = [
    'abc, 0.0, 1e39, "/m/09x0r"',
    'abc, 1e39, 2e39, "/m/09x0r"',
    'abc, -1, 10, "/m/09x0r"',
    'abc, 0, inf, "/m/09x0r"',
    'abc, 0, nan, "/m/09x0r"',
    "abc, 0, " + "9" * 5000 + ', "/m/09x0r"',
    'a\x1b[31mc, 0, 10, "/m/09x0r"',
    'abc\0, 0, 10, "/m/09x0r"',
    'abcé, 0, 10, "/m/09x0r"',
    'abc, 0, 10, "/m/09x0r\n"',
    "abc, 0, 10, " + "x" * 200_000,
]


@pytest.mark.parametrize("row", AUDIOSET_ROWS, ids=range(len(AUDIOSET_ROWS)))
def test_audioset_hostile_rows(tmp_path: Path, row: str) -> None:
    with pytest.raises(DataError, match=r"eval_segments\.csv") as error:
        tables(tmp_path, ROWS + row + "\n")
    assert str(error.value).isprintable()


def test_audioset_tables_with_byte_order_mark(tmp_path: Path) -> None:
    (tmp_path / audioset.LABELS).write_text(CLASSES, encoding="utf-8-sig")
    (tmp_path / "eval_segments.csv").write_text(HEAD + ROWS, encoding="utf-8-sig")
    assert len(audioset.read_segments(tmp_path / "eval_segments.csv", tmp_path / audioset.LABELS)) == 2


def test_audioset_too_many_classes(tmp_path: Path) -> None:
    classes = "index,mid,display_name\n" + "".join(f"{n},/m/{n},x\n" for n in range(32768))
    with pytest.raises(DataError, match="no classes, or more than 32767"):
        tables(tmp_path, ROWS, classes)


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="no named pipes")
@pytest.mark.parametrize("name", ["eval_segments.csv", audioset.LABELS])
def test_audioset_named_pipe_in_place_of_a_table(tmp_path: Path, name: str) -> None:
    tables(tmp_path)
    (tmp_path / name).unlink()
    os.mkfifo(tmp_path / name)
    with pytest.raises(DataError, match="no such file"):
        audioset.read_segments(tmp_path / "eval_segments.csv", tmp_path / audioset.LABELS)


def test_audioset_ids_never_leave_the_folder(tmp_path: Path) -> None:
    segments = tables(tmp_path, '../secret, 0, 10, "/m/09x0r"\n/etc/x, 0, 10, "/m/09x0r"\n')
    (tmp_path / "audio").mkdir()
    for folder in (tmp_path, tmp_path / "audio"):
        soundfile.write(folder / "secret.wav", np.zeros(10), 8000)
    files = index_recordings(tmp_path / "audio")
    assert [audioset.find_recording(segments, row, files) for row in range(2)] == [None, None]


@pytest.mark.skipif(os.name != "posix", reason="other systems refuse such names")
def test_index_and_pack_with_names_that_are_not_utf8(tmp_path: Path) -> None:
    segments, _ = make_table(tmp_path)
    (tmp_path / "audio" / os.fsdecode(b"caf\xe9.wav")).write_bytes(b"RIFF")
    (tmp_path / "audio" / "._Yclip0000001.wav").write_bytes(b"RIFF")
    shard_format = ShardFormat(8000, 0.05, 4)
    pack(segments, index_recordings(tmp_path / "audio"), tmp_path / "packed", shard_format)
    assert len(PackedClips(segments, tmp_path / "packed", shard_format)) == 9


# Messages


@pytest.mark.parametrize("error", [QuatnetError, *QuatnetError.__subclasses__()])
def test_messages_of_all_errors_are_one_printable_line(error: type[QuatnetError]) -> None:
    text = str(error(f"a\nb\r\x1b[31m\udce9\u202e\0{'x' * 5000}λ°"))
    assert text.isprintable()
    assert text.startswith(r"a\nb\r\x1b[31m\udce9\u202e\x00xxx")
    assert text.endswith("xxλ°")
    assert len(text) < 1100
    text.encode()


def test_one_line_keeps_ordinary_text() -> None:
    assert one_line("α · 10 °C, 'quoted', 日本") == "α · 10 °C, 'quoted', 日本"


@pytest.mark.parametrize("value", ["²", "0", "-1", "1.5", "many", "10000", "9" * 5000, "１"])
def test_number_of_threads_is_an_ascii_integer(monkeypatch: pytest.MonkeyPatch, value: str) -> None:
    from quatnet.errors import ConfigError
    from quatnet.threads import thread_count

    monkeypatch.setenv("QUATNET_NUM_THREADS", value)
    with pytest.raises(ConfigError, match="expected an integer of at least 1"):
        thread_count()
    monkeypatch.setenv("QUATNET_NUM_THREADS", " 12 ")
    assert thread_count() == 12
