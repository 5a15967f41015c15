"""Tests of groups and folds of own recordings."""

from collections import Counter
from pathlib import Path

import numpy as np
import pytest
import soundfile
from hypothesis import given
from hypothesis import strategies as st

from quatnet.datasets import folder, table
from quatnet.datasets.splits import fold_numbers, guess_groups, join_equal_files, option_groups, stratified_folds
from quatnet.errors import ConfigError, DataError


def groups_of(*stems: str, classes: str | None = None) -> list[str]:
    paths = [Path(f"/data/{stem}.wav") for stem in stems]
    labels = [("ab".index(name),) for name in classes] if classes else [(0,)] * len(stems)
    return [group.removeprefix("/data/").removesuffix(".wav") for group in guess_groups(paths, labels)[0]]


@pytest.mark.parametrize(
    ("stems", "groups"),
    [
        (["1-100032-A-0", "1-100032-B-0", "2-7-A-0"], ["100032", "100032", "7"]),
        (["03-01-06-01-02-01-12", "03-01-01-01-02-01-12", "03-01-06-01-02-01-03"], ["12", "12", "03"]),
        (["1001_DFA_ANG_XX", "1001_IEO_HAP_HI", "1002_DFA_ANG_XX"], ["1001", "1001", "1002"]),
        (["03a01Wa", "03b09Nc", "16a05Fb"], ["03", "03", "16"]),
        (["3cfc6b3a_nohash_0", "3cfc6b3a_nohash_2", "0a7c2a8d_nohash_0"], ["3cfc6b3a", "3cfc6b3a", "0a7c2a8d"]),
        (["12__ann__a dog", "15__ann__wind", "99__bob__x"], ["ann", "ann", "bob"]),
        (["100032-3-0-0", "100032-3-0-1", "100263-2-0-117"], ["100032", "100032", "100263"]),
        (["N1_20240501_060000", "N1_20240502_060000", "N2_20240501_060000"], ["N1", "N1", "N2"]),
        (["rec1_001", "rec1_002", "rec2_001", "rec2_2"], ["rec1", "rec1", "rec2", "rec2"]),
        (["x (1)", "x (2)", "y-part3", "y seg 4"], ["x", "x", "y", "y"]),
        (["dog_1", "dog_2", "dog_3"], ["dog_1", "dog_2", "dog_3"]),  # the number only counts the recordings
        (["dog1", "dog2", "cat1"], ["dog1", "dog2", "cat1"]),
        (["20240501_060000", "20240501_070000", "20240502_060000"], ["20240501_060000", "20240501_070000", "20240502"]),
        (["20240501_06", "20240501_07", "20240502_06", "20240502_07"], ["20240501"] * 2 + ["20240502"] * 2),
    ],
)
def test_groups_of_file_names(stems, groups):
    assert groups_of(*stems) == groups


def test_codes_with_one_group_in_a_class_are_not_used():
    stems = [f"N{n // 4}_2024050{1 + n % 4 // 2}_06000{n}" for n in range(8)]
    assert set(groups_of(*stems, classes="aabbaabb")) == {"N0", "N1"}
    assert set(groups_of(*stems, classes="aaaabbbb")) == {f"N{site}_2024050{day}" for site in (0, 1) for day in (1, 2)}


def test_groups_in_two_unicode_forms_are_one_group(tmp_path):
    assert groups_of("Zo\u00eb_1", "Zoe\u0308_2", "b_1", "b_2") == ["Zo\u00eb", "Zo\u00eb", "b", "b"]
    files = [f"{name}/{site}/{n}.wav" for name in "ab" for site in ("Zo\u00eb", "Zoe\u0308", "x") for n in "12"]
    write_files(tmp_path, {file: n for n, file in enumerate(files)})
    assert {clip.group for clip in folder.load(tmp_path, group="/(x|Zoe\u0308)/").clips} == {"Zo\u00eb", "x"}
    rows = [f"{file},{file[0]},{file.split('/')[1]}" for file in files]
    (tmp_path / "t.csv").write_text("\n".join(["file,label,site", *rows]))
    assert {clip.group for clip in table.load(tmp_path / "t.csv").clips} == {"Zo\u00eb", "x"}


def test_one_odd_name_does_not_hide_the_speakers():
    actors = [f"03-01-0{1 + n % 2}-01-01-01-0{1 + n // 2}" for n in range(8)]
    assert groups_of(*actors, "extra", classes="ababababa")[:2] == ["01", "01"]


@given(st.lists(st.tuples(st.integers(0, 4), st.integers(0, 8)), min_size=1, max_size=60))
def test_stratified_folds(clips):
    """Groups are kept together, and each class with at least two groups is in fold 1 and in another fold."""
    count, classes = len(clips), [label for label, _ in clips]
    groups = [f"{label} {group}" for label, group in clips]  # a group has one class
    labels = [(label,) if label else () for label in classes]
    folds = stratified_folds(groups, labels, folds=5, seed=1)
    assert len(set(zip(groups, folds, strict=True))) == len(set(groups))
    assert set(folds) <= {1, 2, 3, 4, 5}
    for label in set(classes):
        of_class = [fold for fold, other in zip(folds, classes, strict=True) if other == label]
        if len({group for group, other in zip(groups, classes, strict=True) if other == label}) > 1:
            assert 1 in of_class
            assert len(set(of_class)) > 1
    order = np.random.default_rng(0).permutation(count)
    shuffled = stratified_folds([groups[n] for n in order], [labels[n] for n in order], folds=5, seed=1)
    assert shuffled == [folds[n] for n in order]  # the order of the clips has no influence


def test_folds_have_equal_shares_of_the_classes():
    rng = np.random.default_rng(0)
    labels = [(int(label),) for label in np.repeat([0, 1, 2], [200, 100, 30])]
    groups = [str(group) for group in rng.integers(0, 80, len(labels))]  # each group has several classes
    folds = stratified_folds(groups, labels)
    for label, count in ((0, 200), (1, 100), (2, 30)):
        shares = Counter(fold for fold, other in zip(folds, labels, strict=True) if other == (label,))
        assert all(0.1 * count <= shares[fold] <= 0.3 * count for fold in range(1, 6))
    assert stratified_folds(groups, labels, seed=1) != folds == stratified_folds(groups, labels, seed=0)


@pytest.mark.parametrize("folds", [0, -1, 2.0, True])
def test_number_of_folds(folds):
    with pytest.raises(ConfigError, match="folds must be an integer of at least 1"):
        stratified_folds(["a"], [(0,)], folds=folds)


@pytest.mark.parametrize(
    ("values", "numbers"),
    [
        (["1", "2.0", "10"], [1, 2, 10]),
        (["0", "1"], [0, 1]),
        (["fold_1", "Fold 2", "split3"], [1, 2, 3]),
        (["train", "TEST", "dev"], [3, 1, 2]),
        (["b", "a", "train"], [2, 1, 3]),
    ],
)
def test_fold_numbers(values, numbers):
    assert fold_numbers(values) == numbers


def write_files(root: Path, files: dict[str, int]) -> list[Path]:
    """Write noise with the given seeds."""
    for name, seed in files.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        soundfile.write(root / name, np.random.default_rng(seed).uniform(-0.5, 0.5, 900), 8000)
    return [root / name for name in files]


def test_equal_files_unite_their_groups(tmp_path):
    paths = write_files(tmp_path, {"a.wav": 1, "b.wav": 2, "c.wav": 1, "d.wav": 3, "e.wav": 2, "f.wav": 4})
    groups, copies = join_equal_files(["g", "g", "h", "h", "i", "k"], paths)
    assert groups[0] == groups[1] == groups[2] == groups[3] == groups[4] != groups[5]
    assert {path.name for path in copies} == {"a.wav", "c.wav", "b.wav", "e.wav"}


def test_a_class_of_one_speaker_is_named_in_the_note(tmp_path):
    files = [f"{name}/{speaker}_nohash_{n}.wav" for name in "ab" for speaker in ("3cfc6b3a", "0a7c2a8d") for n in "12"]
    write_files(tmp_path, {file: n for n, file in enumerate(files)})
    assert "not used" not in folder.load(tmp_path).note
    write_files(tmp_path, {f"c/3cfc6b3a_nohash_{n}.wav": 50 + n for n in range(3)})
    text = "were found, but are not used, because one group contains all clips of c: training and test clips can be of"
    data = folder.load(tmp_path)
    assert f"Groups by speakers, sites or sources in the file names {text} one speaker" in data.note
    assert "not used" not in folder.load(tmp_path, folds=1).note  # no split
    with pytest.raises(DataError, match=r"fewer than two groups .* in c"):
        folder.load(tmp_path, group="([0-9a-f]+)_nohash")
    assert "not used" not in folder.load(tmp_path, group="[^/]+$").note


def test_copies_are_kept_together_and_named(tmp_path):
    write_files(tmp_path, {f"{name}/{n}.wav": n // 2 + 100 * (name == "b") for name in "ab" for n in range(20)})
    data = folder.load(tmp_path)
    assert "40 files have equal content; equal files are in one group." in data.note
    assert "different labels" not in data.note
    train, test = data.split(1)
    samples = [{clip.source()[0].tobytes() for clip in part} for part in (train, test)]
    assert not samples[0] & samples[1]
    write_files(tmp_path, {"b/copy.wav": 0})
    assert "Some have different labels: a/0.wav, a/1.wav, b/copy.wav; correct the labels." in folder.load(tmp_path).note


def test_groups_by_parent_and_by_regular_expression(tmp_path):
    files = [f"{name}/site{site}/{n}.wav" for name in "ab" for site in range(5) for n in "xy"]
    write_files(tmp_path, {file: n for n, file in enumerate(files)})
    by_parent = folder.load(tmp_path, group="parent")
    assert len({clip.group for clip in by_parent.clips}) == 10
    by_site = folder.load(tmp_path, group=r"/(site\d)/")
    assert {clip.group for clip in by_site.clips} == {f"site{n}" for n in range(5)}
    assert "5 folds were made, which keep 5 groups together" in by_site.note
    for data in (by_parent, by_site):
        train, test = data.split(1)
        assert not {clip.group for clip in train} & {clip.group for clip in test}
        assert (
            data.folds.tolist()
            == folder.load(tmp_path, group=(data is by_site and r"/(site\d)/") or "parent").folds.tolist()
        )
    assert folder.load(tmp_path, seed=3).folds.tolist() != folder.load(tmp_path).folds.tolist()
    with pytest.raises(DataError, match=r"fewer than two groups \(by \^\.\) in a, b"):
        folder.load(tmp_path, group="^.")


def test_sources_in_two_given_folds(tmp_path):
    files = [f"{part}/{name}/rec{n}_{part[:2]}.wav" for part in ("train", "test") for name in "ab" for n in range(4)]
    write_files(tmp_path, {file: n for n, file in enumerate(files)})
    assert "one source" not in folder.load(tmp_path).note
    write_files(tmp_path, {f"{part}/a/day1_{n}.wav": 50 + n for n, part in enumerate(("train", "test"))})
    note = folder.load(tmp_path).note
    assert "One source (by file names without running number), or a copy, seems to be in two folds: day1." in note
    with pytest.raises(DataError, match=r"groups are in two folds \(day1\)"):
        folder.load(tmp_path, group=r"day\d|[ab]/rec.+")


def test_ravdess_as_class_folders_and_as_a_table(tmp_path):
    names = [f"03-01-0{emotion}-01-0{n}-01-{actor:02}" for actor in range(1, 7) for emotion in (1, 3) for n in (1, 2)]
    write_files(tmp_path, {f"{name.split('-')[2]}/{name}.wav": n for n, name in enumerate(names)})
    data = folder.load(tmp_path)
    assert {clip.group for clip in data.clips} == {f"{actor:02}" for actor in range(1, 7)}
    assert "speakers, sites or sources in the file names" in data.note
    rows = [f"{name.split('-')[2]}/{name},{name.split('-')[2]},{name[-2:]}" for name in names]
    (tmp_path / "t.csv").write_text("\n".join(["file,emotion,actor", *rows]))
    as_table = table.load(tmp_path / "t.csv", group="actor")
    assert as_table.classes == ("01", "03")
    folds = {clip.name.split("/")[-1]: clip.fold for clip in as_table.clips}
    assert folds == {clip.name.split("/")[-1].removesuffix(".wav"): clip.fold for clip in data.clips}


@pytest.mark.parametrize("column", [None, "site"])
def test_folds_do_not_depend_on_the_path_of_the_folder(column, tmp_path, monkeypatch):
    names = [f"{c}/rec{n}{c}_{part}.wav" for c in "ab" for n in range(4) for part in range(3)]
    names += [f"{c}/{name}.wav" for c in "ab" for name in "stuvwxyz"]
    write_files(tmp_path / "sounds", {name: number for number, name in enumerate(names)})
    rows = [f"{name},{name[0]},{'site' if 'rec' in name else ''}" for name in names]
    (tmp_path / "sounds/t.csv").write_text("\n".join(["file,label,site", *rows]))
    monkeypatch.chdir(tmp_path)
    roots = [Path("sounds"), tmp_path / "sounds", Path("../") / tmp_path.name / "sounds"]
    loaded = [table.load(root / "t.csv", group=column) if column else folder.load(root) for root in roots]
    tests = [{clip.name.removesuffix(".wav") for clip in data.split(1)[1]} for data in loaded]
    assert tests[0] == tests[1] == tests[2] != set()


def test_the_first_bracket_of_an_expression_is_the_group():
    names = ["site1_call.wav", "site1_song.wav", "site2_call.wav"]
    paths = [Path(name) for name in names]
    assert option_groups(r"(site\d+)_(call|song)", paths, names) == ["site1", "site1", "site2"]
    assert option_groups(r"(site1)|site2_(call)", paths, names) == ["site1", "site1", "call"]
    assert option_groups(r"site\d", paths, names) == ["site1", "site1", "site2"]


def test_missing_values_of_a_fold_column(tmp_path):
    names = [f"{label}{number}.wav" for label in "ab" for number in range(4)]
    write_files(tmp_path, {name: number for number, name in enumerate(names)})
    rows = [f"{name},{name[0]},{fold}" for name, fold in zip(names, ["1.0", "2.0", "10.0", "NaN"] * 2, strict=True)]
    (tmp_path / "t.csv").write_text("\n".join(["file,label,fold", *rows]))
    with pytest.raises(DataError, match="2 of 8 recordings have no fold"):
        table.load(tmp_path / "t.csv")
    rows = [f"{name},{name[0]},{site}" for name, site in zip(names, ["A", "B", "NaN", "<NA>"] * 2, strict=True)]
    (tmp_path / "t.csv").write_text("\n".join(["file,label,site", *rows]))
    assert len({clip.group for clip in table.load(tmp_path / "t.csv", group="site").clips}) == 6
    (tmp_path / "t.csv").write_text("\n".join(["file,label", *(f"{name},nan" for name in names)]))
    with pytest.raises(DataError, match="line 2: expected a file and a label"):
        table.load(tmp_path / "t.csv")


def test_a_quote_that_is_not_closed(tmp_path):
    names = [f"{label}{number}.wav" for label in "ab" for number in range(4)]
    write_files(tmp_path, {name: number for number, name in enumerate(names)})
    rows = [f"{name},{name[0]},{chr(34) + 'loud' if number == 3 else ''}" for number, name in enumerate(names)]
    (tmp_path / "t.csv").write_text("\n".join(["file,label,comment", *rows]))
    with pytest.raises(DataError, match=r"t\.csv, line 9: unexpected end of data; write a quote in a field twice"):
        table.load(tmp_path / "t.csv")
