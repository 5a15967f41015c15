"""Tests of the loaders of own recordings: class folders and tables of labels."""

import os
from pathlib import Path

import numpy as np
import pytest
import soundfile

from quatnet.datasets import choose_clip_seconds, folder, table
from quatnet.errors import DataError

RATE_HZ = 8000


def write(path: Path, *, seed: int | None = None, seconds: float = 0.2, rate_hz: int = RATE_HZ) -> Path:
    """Write noise. By default, the samples are different for each path."""
    path.parent.mkdir(parents=True, exist_ok=True)
    rng = np.random.default_rng(list(str(path).encode()) if seed is None else seed)
    soundfile.write(path, rng.uniform(-0.5, 0.5, round(seconds * rate_hz)), rate_hz, format="WAV")
    return path


def write_classes(root: Path, *classes: str, clips: int = 6) -> Path:
    for name in classes:
        for number in range(clips):
            write(root / name / f"{'abcdefghijkl'[number]}.wav")
    return root


# ---------------------------------------------------------------------------------------------------------- folders


def test_class_folders(tmp_path):
    data = folder.load(write_classes(tmp_path, "zebra", "Äffin", "Zoo"))
    assert data.classes == ("Zoo", "zebra", "Äffin")  # by code point
    assert len(data.clips) == 18
    assert not data.is_multilabel
    assert data.labels.tolist() == [clip.labels[0] for clip in data.clips]
    train, test = data.split(1)
    assert {clip.label for clip in test} == {clip.label for clip in train} == {0, 1, 2}
    assert (len(train), len(test)) == (14, 4)  # 18 clips in 5 folds, 6 of each class
    clip = data.clips[0]
    assert (clip.name, clip.seconds, clip.rate_hz) == ("Zoo/a.wav", 0.2, RATE_HZ)
    assert len(clip.source()[0]) == len(clip.read(1.0)[0]) == 1600


def test_targets(tmp_path):
    data = folder.load(write_classes(tmp_path, "A", "B", "A,B", "Noise", "_background_noise_"))
    assert data.classes == ("A", "B")
    assert data.is_multilabel
    by_folder = {
        clip.name.split("/")[0]: target.tolist() for clip, target in zip(data.clips, data.targets, strict=True)
    }
    assert by_folder == {"A": [1, 0], "B": [0, 1], "A,B": [1, 1], "Noise": [0, 0], "_background_noise_": [0, 0]}
    assert data.targets.dtype == np.float32
    assert {clip.label for clip in data.clips if clip.name.startswith("Noise")} == {-1}
    assert "12 clips are negatives" in data.note


def test_one_class_with_negatives(tmp_path):
    data = folder.load(write_classes(tmp_path, "bird", "other"))
    assert data.classes == ("bird",)
    for part in data.split(1):
        assert {clip.labels for clip in part} == {(), (0,)}


def test_nested_folders_suffixes_and_hidden_files(tmp_path):
    write_classes(tmp_path, "a", "b", clips=2)
    for path in ("a/site 1/deep/X.WAV", "b/y.Aiff", "b/z.wave.flac"):
        write(tmp_path / path)
    for hidden in ("a/.hidden.wav", "a/._x.wav", "__MACOSX/a/x.wav", ".git/c/x.wav", "b/readme.txt", "b/Thumbs.db"):
        (tmp_path / hidden).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / hidden).write_bytes(b"no audio")
    data = folder.load(tmp_path)
    assert data.classes == ("a", "b")
    assert data.skipped == ()
    assert {"a/site 1/deep/X.WAV", "b/y.Aiff", "b/z.wave.flac"} < {clip.name for clip in data.clips}


@pytest.mark.parametrize(
    ("parts", "folds"),
    [
        (("train", "test"), {"test": 1, "train": 2}),
        (("Training", "Val"), {"Val": 1, "Training": 2}),
        (("test", "train", "validation"), {"test": 1, "validation": 2, "train": 3}),
        (("fold1", "fold2", "Fold_10"), {"fold1": 1, "fold2": 2, "Fold_10": 10}),
    ],
)
def test_given_split(tmp_path, parts, folds):
    for part in parts:
        write_classes(tmp_path / part, "x", "y", clips=2)
    data = folder.load(tmp_path)
    assert data.classes == ("x", "y")
    assert {clip.name.split("/")[0]: clip.fold for clip in data.clips} == folds


@pytest.mark.parametrize("parts", [("Train", "test"), ("fold1", "fold2")])
def test_negatives_beside_split_folders_are_for_training(tmp_path, parts):
    for part in parts:
        write_classes(tmp_path / part, "x", "y", clips=2)
    data = folder.load(write_classes(tmp_path, "noise", clips=2))
    assert data.classes == ("x", "y")
    assert {clip.fold for clip in data.clips if not clip.labels} == {2}
    assert set(data.folds) == {1, 2}


def test_classes_named_like_parts(tmp_path):
    data = folder.load(write_classes(tmp_path, "train", "car"))
    assert data.classes == ("car", "train")
    assert "train are classes, since the other folders are no parts of a split." in data.note
    assert set(data.folds) == {1, 2, 3, 4, 5}


def test_one_part_is_no_split(tmp_path):
    write_classes(tmp_path / "train", "x", "y")
    data = folder.load(tmp_path)
    assert data.classes == ("x", "y")
    assert set(data.folds) == {1, 2, 3, 4, 5}


def test_links(tmp_path):
    write_classes(tmp_path / "data", "a", "b", clips=3)
    sounds = tmp_path / "sounds"
    (sounds / "b").mkdir(parents=True)
    (sounds / "a").symlink_to(tmp_path / "data" / "a")
    (sounds / "b" / "more").symlink_to(tmp_path / "data" / "b")
    (sounds / "b" / "loop").symlink_to(sounds)
    (sounds / "b" / "gone.wav").symlink_to(tmp_path / "gone.wav")
    data = folder.load(sounds)
    assert len(data.clips) == 6
    assert "gone.wav" in data.skipped[0]


def test_unreadable_recordings(tmp_path):
    write_classes(tmp_path, "a", "b")
    (tmp_path / "a" / "empty.wav").touch()
    (tmp_path / "a" / "phone.m4a").write_bytes(b"ftyp" * 99)
    write(tmp_path / "b" / "short.wav", seconds=0.05)
    data = folder.load(tmp_path)
    assert len(data.clips) == 12
    assert len(data.skipped) == 3
    assert "Skipped 3 of 15 recordings" in data.note
    assert "convert" in data.note
    with pytest.raises(DataError, match=r"3 of 15 recordings cannot be used; .*convert .*empty.*phone.*short"):
        folder.load(tmp_path, strict=True)


def test_files_with_damaged_samples(tmp_path):
    """The header of a truncated FLAC file is valid."""
    write_classes(tmp_path, "a", "b")
    samples = np.random.default_rng(0).uniform(-0.5, 0.5, 9000)
    soundfile.write(tmp_path / "a" / "cut.flac", samples, RATE_HZ)
    content = (tmp_path / "a" / "cut.flac").read_bytes()
    (tmp_path / "a" / "cut.flac").write_bytes(content[: len(content) // 2])
    data = folder.load(tmp_path)
    assert (len(data.clips), data.skipped) == (13, ())
    readable = data.readable()
    assert len(readable.clips) == 12
    assert "cut.flac" in readable.skipped[0]
    assert "Skipped 1 of 13 recordings" in readable.note


def test_evaluation_without_folds(tmp_path):
    data = folder.load(write_classes(tmp_path, "a", clips=1), folds=1)
    assert (data.classes, set(data.folds)) == (("a",), {1})


@pytest.mark.parametrize(
    ("files", "message"),
    [
        ([], "expected class folders with recordings, got 0"),
        (["x.wav", "y.wav"], "expected class folders with recordings, got 2"),
        (["a/x.wav", "a/y.wav"], "expected two classes, or one and a class 'noise', got a"),
        (["noise/x.wav", "other/y.wav"], "got none"),
        (["a/x.wav", "a/y.wav", "b/x.wav"], "fewer than two groups .* in b,"),
    ],
)
def test_folder_errors(tmp_path, files, message):
    for file in files:
        write(tmp_path / file)
    with pytest.raises(DataError, match=message):
        folder.load(tmp_path)


def test_missing_folder_and_nothing_readable(tmp_path):
    with pytest.raises(DataError, match="cannot be listed"):
        folder.load(tmp_path / "missing")
    for file in ("a/x.wav", "b/y.wav"):
        (tmp_path / file).parent.mkdir()
        (tmp_path / file).touch()
    with pytest.raises(DataError, match="2 of 2 recordings cannot be used"):
        folder.load(tmp_path)
    with pytest.raises(DataError, match="cannot be listed"):
        folder.load(tmp_path / "a" / "x.wav")


@pytest.mark.skipif(os.geteuid() == 0, reason="root can list every folder")
def test_folder_without_permission(tmp_path):
    write_classes(tmp_path, "a", "b")
    (tmp_path / "a").chmod(0)
    with pytest.raises(DataError, match="cannot be listed"):
        folder.load(tmp_path)
    (tmp_path / "a").chmod(0o755)


def test_labels_that_look_equal_are_one_class(tmp_path):
    """Names of macOS are in the Unicode form NFD. The paths of the files are not changed."""
    for part, name in (("train", "Ba\u0308r"), ("test", "B\u00e4r"), ("train", "big dog"), ("test", "big\u00a0dog")):
        write_classes(tmp_path / part, name, clips=2)
    data = folder.load(tmp_path)
    assert data.classes == ("B\u00e4r", "big dog")
    assert all(len(clip.read(1.0)[0]) for clip in data.clips)
    rows = [f"{path.relative_to(tmp_path)},{path.parent.name}" for path in sorted(tmp_path.rglob("*.wav"))]
    csv = write_table(tmp_path / "t.csv", "\n".join(["file,label", *rows]))
    assert table.load(csv).classes == ("B\u00e4r", "big dog")
    assert len(table.load(csv).clips) == 8
    several = write_table(tmp_path / "s.csv", "\n".join(["file,label", *rows, rows[0].replace("a\u0308", "\u00e4")]))
    assert table.load(several, label_separator="|").classes == ("B\u00e4r", "big dog")


def test_loose_recordings_are_named(tmp_path):
    write(write_classes(tmp_path, "a", "b") / "loose.wav")
    assert "1 recordings are not in a class folder: loose.wav." in folder.load(tmp_path).note
    write_classes(tmp_path / "new" / "train", "a", "b")
    write(write_classes(tmp_path / "new" / "test", "a", "b") / "loose.wav")
    data = folder.load(tmp_path / "new")
    assert data.classes == ("a", "b")
    assert "1 recordings are not in a class folder: test/loose.wav." in data.note


# ------------------------------------------------------------------------------------------------------------ notes


def test_notes_about_classes(tmp_path):
    write_classes(tmp_path, "big", clips=12)
    write_classes(tmp_path, "small", clips=2)
    note = folder.load(tmp_path).note
    assert "Classes with fewer than 5 clips: small 2." in note
    assert "Classes with fewer than 3 groups: small 2." in note
    assert "Class imbalance: small 2, big 12 clips." in note


def test_note_about_rates(tmp_path):
    write_classes(tmp_path, "a", "b")
    assert "rates" not in folder.load(tmp_path).note
    for number in range(5):
        write(tmp_path / "c" / f"{number}.wav", rate_hz=16000)
    assert "Classes with sample rates of their own, which may be learned: c." in folder.load(tmp_path).note


def test_clip_seconds():
    assert choose_clip_seconds([0.3, 0.4]) == 1.0
    assert choose_clip_seconds([5.0] * 98 + [300.0] * 2) == 5.0
    assert choose_clip_seconds([3.9, 4.0, 4.1, 4.2]) == 4.0
    assert choose_clip_seconds([60.0, 2.0]) == 10.0


# ----------------------------------------------------------------------------------------------------------- tables


def write_table(path: Path, text: str, *, encoding: str = "utf-8") -> Path:
    path.write_bytes(text.encode(encoding))
    return path


ESC50_ROWS = [f"{1 + n % 5}-{1000 + n // 2}-{'AB'[n % 2]}-{n // 10}.wav" for n in range(20)]


def write_esc50(root: Path) -> Path:
    rows = ["filename,fold,target,category,esc10,src_file,take"]
    for n, name in enumerate(ESC50_ROWS):
        write(root / "audio" / name)
        rows.append(f"{name},{1 + n % 5},{n // 10},{('dog', 'sea_waves')[n // 10]},True,{1000 + n // 2},A")
    (root / "meta").mkdir()
    return write_table(root / "meta" / "esc50.csv", "\n".join(rows))


def test_table_of_esc50(tmp_path):
    data = table.load(write_esc50(tmp_path), audio=tmp_path / "audio")
    assert data.classes == ("dog", "sea_waves")
    assert [clip.name for clip in data.clips] == ESC50_ROWS
    assert data.folds.tolist() == [1 + n % 5 for n in range(20)]
    assert "One source (by column), or a copy, seems to be in two folds: 1000, 1001, 1002 and 7 more" in data.note
    grouped = table.load(tmp_path / "meta" / "esc50.csv", audio=tmp_path / "audio", group="SRC_FILE ")
    assert grouped.clips[0].group == "1000"
    for fold in range(1, 6):
        train, test = grouped.split(fold)
        assert not {clip.group for clip in train} & {clip.group for clip in test}
    with pytest.raises(DataError, match="groups are in two folds"):
        table.load(tmp_path / "meta" / "esc50.csv", audio=tmp_path / "audio", group="src_file", fold="fold")


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "cp1252"])
@pytest.mark.parametrize("delimiter", [",", ";", "\t"])
@pytest.mark.parametrize("newline", ["\n", "\r\n"])
def test_formats_of_tables(tmp_path, encoding, delimiter, newline):
    files = [write(tmp_path / f"{n}.wav").name for n in range(8)]
    rows = [[" File ", "Gewicht", "LABEL"], *([file, '"1,5"', ("Bär", "NA")[n % 2]] for n, file in enumerate(files))]
    text = newline.join(delimiter.join(row) for row in [*rows, [""] * 3, []])
    csv = write_table(tmp_path / "labels.csv", text, encoding=encoding)
    if encoding == "cp1252":
        with pytest.warns(UserWarning, match="Windows-1252"):
            data = table.load(csv)
    else:
        data = table.load(csv)
    assert data.classes == ("Bär", "NA")
    assert len(data.clips) == 8


@pytest.mark.parametrize(
    "text", ["5\u00a0m", '"5\tm"', '"5\nm"', '"5\r\nm"', "\U0001f469\u200d\U0001f33e", "\u200e5 m", "5\u2028m"]
)
@pytest.mark.parametrize("in_label", [False, True])
def test_special_spaces_and_joined_characters(tmp_path, text, in_label):
    rows = [f"{write(tmp_path / f'{n}.wav').name},{text},{text if in_label else 'a'}" for n in range(4)]
    rows += [f"{write(tmp_path / f'{n}.wav').name},no,b" for n in range(4, 8)]
    data = table.load(write_table(tmp_path / "t.csv", "\n".join(["file,remark,label", *rows])), label_separator="|")
    assert (len(data.clips), data.skipped) == (8, ())
    assert data.classes == tuple(sorted([text.strip('"').replace("\u00a0", " ").strip() if in_label else "a", "b"]))


@pytest.mark.parametrize("code", [0, 1, 0x0B, 0x1B, 0x7F, 0x85])
def test_control_characters_are_refused(tmp_path, code):
    text = f'file,label,remark\nx.wav,a,"{chr(code)}"\n'
    with pytest.raises(DataError, match="control character in line 2"):
        table.load(write_table(tmp_path / "t.csv", text))


def test_decimal_comma_and_excel_separator_line(tmp_path):
    rows = [f"{write(tmp_path / f'{n}.wav').name};1,5;00{n % 2}" for n in range(8)]
    data = table.load(write_table(tmp_path / "t.csv", "\n".join(["sep=;", "file;gain;label", *rows])))
    assert data.classes == ("000", "001")  # values stay text


@pytest.mark.parametrize(
    "value", ["dog/x1.wav", "dog/x1", "x1", "X1.WAV", "dog\\x1.wav", "C:\\data\\dog\\x1.mp3", "{root}/clips/dog/x1.wav"]
)
def test_paths_in_tables(tmp_path, value):
    write_classes(tmp_path / "clips", "cat", "cow")
    write(tmp_path / "clips" / "dog" / "x1.wav")
    rows = [f"{name}/{letter}.wav,{name}" for name in ("cat", "cow") for letter in "abcdef"]
    text = "\n".join(["path,label", f"{value.format(root=tmp_path)},cat", *rows])
    data = table.load(write_table(tmp_path / "t.csv", text), audio=tmp_path / "clips")
    assert data.skipped == ()
    assert data.clips[0].source.args[0].samefile(tmp_path / "clips" / "dog" / "x1.wav")


def test_equal_file_names_are_told_apart_by_their_folders(tmp_path):
    write_classes(tmp_path, "a", "b")
    rows = [f"/elsewhere/{name}/{letter}.wav,{name}" for name in "ab" for letter in "abcdef"]
    csv = write_table(tmp_path / "t.csv", "\n".join(["path,label", *rows]))
    assert {clip.source.args[0].parent.name == "ab"[clip.label] for clip in table.load(csv).clips} == {True}
    csv = write_table(tmp_path / "t.csv", "path,label\na.wav,x\n")
    with pytest.raises(DataError, match=r"a.wav: found .*; give the complete path"):
        table.load(csv)


@pytest.mark.parametrize(
    ("row", "found"),
    [
        ("siteA/003.wav", ""),  # not the file of another site
        ("siteA/003", ""),
        ("siteA\\003.wav", ""),
        ("/elsewhere/siteA/003.wav", ""),
        ("C:\\data\\siteA\\003.wav", ""),
        ("../siteA/003.wav", ""),
        ("{root}/siteA/003.wav", ""),
        ("wav/003.wav", ""),
        ("siteB/003.1", ""),  # the suffix is not that of an audio file
        ("003.wav", "siteB/003.wav"),
        ("siteb/003.mp3", "siteB/003.wav"),
        ("clips/siteB/003.wav", "siteB/003.wav"),
        ("../clips/siteB/003.mp3", "siteB/003.wav"),
        ("/elsewhere/siteB/003.wav", "siteB/003.wav"),
        ("/elsewhere/siteB/top.wav", "top.wav"),
        ("Cafe\u0301/004.mp3", "Caf\u00e9/004.wav"),
    ],
)
def test_a_file_in_another_folder_is_not_taken(tmp_path, row, found):
    root = tmp_path / "clips"
    for name in ("siteB/003.wav", "siteB/005.wav", "top.wav", "Caf\u00e9/004.wav"):
        write(root / name)
    path = table.finder(root)(row.format(root=root))
    assert path == root / found if found else not path.exists()


def test_one_path_for_each_recording(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    write(Path("clips/a/x.wav"))
    write(Path("other/y.wav"))
    find = table.finder(Path("clips"))
    for row in ("a/x.wav", "x.wav", "./a/x", "../clips/a/x.wav", f"{tmp_path}/clips/a/x.wav", "/elsewhere/a/x.wav"):
        assert find(row) == Path("clips/a/x.wav")
    assert find("../other/y.wav") == tmp_path / "other" / "y.wav"


def test_missing_files_with_names_of_other_folders_are_counted(tmp_path):
    write_classes(tmp_path, "a", "b")
    rows = [f"{name}/{letter}.wav,{name}" for name in "ab" for letter in "abcdef"]
    csv = write_table(tmp_path / "t.csv", "\n".join(["path,label", *rows, "c/a.wav,a", "/c/d/b.wav,a"]))
    (tmp_path / "b" / "a.wav").unlink()
    data = table.load(csv)
    assert (len(data.clips), len(data.skipped)) == (11, 3)
    assert "3 of 14 recordings were not found" in data.note
    assert "(b/a.wav, c/a.wav, /c/d/b.wav)" in data.note


def test_missing_files_are_listed(tmp_path):
    write_classes(tmp_path, "a", "b")
    rows = [f"{name}/{letter}.wav,{name}" for name in "ab" for letter in "abcdefxyz"]
    csv = write_table(tmp_path / "t.csv", "\n".join(["path,label", *rows]))
    data = table.load(csv)
    assert (len(data.clips), len(data.skipped)) == (12, 6)
    assert "no such file" in data.skipped[0]
    with pytest.raises(DataError, match="6 of 18 recordings cannot be used"):
        table.load(csv, strict=True)


def test_tables_without_header(tmp_path):
    write_classes(tmp_path, "a", "b")
    files = [f"{name}/{letter}.wav" for name in "ab" for letter in "abcdef"]
    csv = write_table(tmp_path / "t.csv", "\n".join(f"{file},{file[0]}" for file in files))
    assert (table.load(csv).classes, len(table.load(csv).clips)) == (("a", "b"), 12)
    csv = write_table(tmp_path / "t.csv", "\n".join(f"7,{file},{file[0]}" for file in files))
    assert len(table.load(csv, label="3").clips) == 12
    with pytest.raises(DataError, match=r"expected one label column  in the header \['1', 'path', '3'\]; give label="):
        table.load(csv)


def test_several_labels(tmp_path):
    files = [write(tmp_path / f"{n}.wav").stem for n in range(6)]
    lists = ["a,b", "b", "a", "a,b", "b", "a"]
    rows = ["fname,labels,mids,split"] + [
        f'{file},"{text}",/m/0,{("train", "val")[n // 3]}'
        for n, (file, text) in enumerate(zip(files, lists, strict=True))
    ]
    data = table.load(write_table(tmp_path / "fsd50k.csv", "\n".join(rows)))
    assert data.targets.tolist() == [[1, 1], [0, 1], [1, 0]] * 2
    assert data.folds.tolist() == [2, 2, 2, 1, 1, 1]

    rows = ["file,label"] + [
        f"{file},{label}" for file, text in zip(files, lists, strict=True) for label in text.split(",")
    ]
    csv = write_table(tmp_path / "rows.csv", "\n".join(rows))
    assert table.load(csv, label_separator="|").targets.tolist() == [[1, 1], [0, 1], [1, 0]] * 2
    with pytest.raises(DataError, match="line 3: 0 has the labels 'a' and 'b'"):
        table.load(csv)


def test_birdclef(tmp_path):
    rows = ["primary_label,secondary_labels,author,filename"]
    for n in range(8):
        write(tmp_path / f"audio/{'ab'[n % 2]}/XC{n}.wav")
        rows.append(f"{'ab'[n % 2]},\"['c', 'd']\",Author {n // 2},{'ab'[n % 2]}/XC{n}.wav")
    csv = write_table(tmp_path / "train.csv", "\n".join(rows))
    data = table.load(csv, audio=tmp_path / "audio")
    assert (data.classes, data.clips[3].group) == (("a", "b"), "Author 1")
    assert table.load(csv, label="secondary_labels", label_separator=",").classes == ("c", "d")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "expected one path column"),
        (
            "sound,kind\nx.wav,a",
            r"expected one path column  in the header \['sound', 'kind'\]; give path=... \(--path-column\)",
        ),
        (
            "file,kind\nx.wav,a",
            r"expected one label column  in the header \['file', 'kind'\]; give label=... \(--label-column\)",
        ),
        ("file,label\nx.wav,a,b", "line 2: expected 2 fields, got 3"),
        ("file,label\nx.wav,", "line 2: expected a file and a label"),
        ("file,label\n,a", "line 2: expected a file and a label"),
        ("file,label\nx.wav,a\nx.wav,b", "line 3: x.wav has the labels 'a' and 'b'"),
        ("file,label\nx\x00.wav,a", "control character"),
        ("file,label", "expected at least one recording with a label, got none"),
        ("file,label,fold\nx.wav,a,1\ny.wav,b,", "1 of 2 recordings have no fold"),
        ("file,label\n" + "y" * 300 + ".wav,a", "1 of 1 recordings were not found in the folder"),
    ],
)
def test_table_errors(tmp_path, text, message):
    write(tmp_path / "x.wav")
    write(tmp_path / "y.wav")
    with pytest.raises(DataError, match=message):
        table.load(write_table(tmp_path / "t.csv", text))


def test_errors_of_options(tmp_path):
    csv = write_esc50(tmp_path)
    for options, message in [
        ({"path": "name"}, "expected one path column name in the header"),
        ({"fold": "name"}, "expected one fold column name in the header"),
        ({"group": "nobody"}, "neither 'parent' nor a column, and as a regular expression it is not in"),
        ({"group": "("}, "nor a regular expression"),
    ]:
        with pytest.raises(DataError, match=message):
            table.load(csv, audio=tmp_path / "audio", **options)
    with pytest.raises(DataError, match="cannot be read as a table"):
        table.load(tmp_path / "missing.csv")
    with pytest.raises(DataError, match="cannot be listed"):
        table.load(csv, audio=tmp_path / "missing")


def test_split_refuses_a_class_that_is_only_on_one_side(tmp_path):
    for part, classes in (("train", "ab"), ("test", "a")):
        write_classes(tmp_path / part, *classes)
    with pytest.raises(DataError, match="no clips of b in fold 1"):
        folder.load(tmp_path).split(1)
    write_classes(tmp_path / "test", "b", "c")
    with pytest.raises(DataError, match="no clips of c in the folds other than 1"):
        folder.load(tmp_path).split(1)
