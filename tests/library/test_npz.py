"""Tests of `.npz` archives and JSON: round trips, damaged files, and crafted files with valid checksums."""

import io
import json
import zipfile
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from quatnet.errors import CheckpointError, DataError
from quatnet.npz import parse_json, read_npz, write_npz

DTYPES = [f"{order}{code}" for order in "<>" for code in ("f2", "f4", "f8", "i2", "i4", "i8", "u2", "U7")]
FINITE = {"allow_nan": False, "allow_infinity": False}


@given(
    st.sampled_from([*DTYPES, "i1", "u1", "?"]).flatmap(
        lambda dtype: hnp.arrays(
            dtype,
            hnp.array_shapes(min_dims=0, max_dims=4, min_side=0, max_side=4),
            elements=FINITE if "f" in dtype else st.text("abc", max_size=7) if "U" in dtype else None,
        )
    ),
    st.booleans(),
)
def test_read_returns_what_was_written(tmp_path_factory: pytest.TempPathFactory, array: np.ndarray, flip: bool) -> None:
    path = tmp_path_factory.mktemp("npz") / "a.npz"
    arrays = {"a/b.0": array.T if flip else array, "file": np.arange(3)}
    write_npz(path, arrays)
    first = path.read_bytes()
    for name, read in read_npz(path).items():
        assert read.dtype == arrays[name].dtype
        np.testing.assert_array_equal(read, arrays[name])
    with np.load(path) as file:
        np.testing.assert_array_equal(file["a/b.0"], arrays["a/b.0"])
    write_npz(path, arrays)
    assert path.read_bytes() == first
    np.savez_compressed(path, **{"x": array})
    np.testing.assert_array_equal(read_npz(path)["x"], array)


def npy(array: np.ndarray) -> bytes:
    file = io.BytesIO()
    np.save(file, array)
    return file.getvalue()


def archive(path: Path, *members: tuple[str, bytes], compression: int = zipfile.ZIP_STORED) -> Path:
    with zipfile.ZipFile(path, "w", compression) as file:
        for name, content in members:
            file.writestr(name, content)
    return path


ONES = npy(np.ones((3, 4), np.float32))
CRAFTED = {  # content of the member "a.npy", whose checksum is valid
    "other_shape": ONES.replace(b"(3, 4)", b"(3, 5)"),
    "huge_shape": ONES.replace(b"(3, 4), }       ", b"(300000, 400), }"),
    "huge_length": ONES.replace(b"(3, 4), }           ", b"(3, 99999999999), } "),
    "negative_length": ONES.replace(b"(3, 4), }  ", b"(-3, -4), }"),
    "65_axes": ONES.replace(b"(3, 4)", b"(" + b"1, " * 64 + b"12)"),
    "other_itemsize": ONES.replace(b"<f4", b"<f8"),
    "no_such_float": ONES.replace(b"<f4", b"<f3"),
    "complex": npy(np.ones(3, complex)),
    "bytes": npy(np.array([b"abc"])),
    "dates": npy(np.array(["2020-01-01"], "datetime64[D]")),
    "records": npy(np.ones(2, [("x", "f4")])),
    "objects": ONES.replace(b"'<f4'", b"'|O' "),
    "code": ONES.replace(b"(3, 4)", b"(exit())"),
    "no_item": npy(np.ones(0, "U1")).replace(b"<U1", b"<U0"),
    "header_length": ONES[:8] + b"\x75" + ONES[9:],
    "version": ONES[:6] + b"\x03" + ONES[7:],
    "truncated": ONES[:-1],
    "longer": ONES + b"\0",
    "header_only": ONES[:60],
    "no_header": b"",
    "no_character": npy(np.array(["abc"])).replace(b"b\0\0\0", b"b\0\x11\0"),
    "nan": npy(np.array([1, np.nan])),
    "infinity": npy(np.array([1, -np.inf], np.float32)),
    "half_infinity": npy(np.array([np.inf], np.float16)),
}


@pytest.mark.parametrize("name", CRAFTED)
@pytest.mark.parametrize("error", [CheckpointError, DataError])
def test_crafted_arrays_are_refused(tmp_path: Path, name: str, error: type) -> None:
    path = archive(tmp_path / "a.npz", ("b.npy", ONES), ("a.npy", CRAFTED[name]))
    with pytest.raises(error, match=r"a\.npz(, array 'a'| is truncated)"):
        read_npz(path, error=error)


def test_crafted_archives_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "a.npz"
    with pytest.warns(UserWarning, match="Duplicate name"):
        archive(path, ("a.npy", ONES), ("a.npy", ONES))
    with pytest.raises(CheckpointError, match="different names"):
        read_npz(path)
    for name in ("a", "a.txt"):
        with pytest.raises(CheckpointError, match=r"end with \.npy"):
            read_npz(archive(path, (name, ONES)))
    for compression in (zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA):
        with pytest.raises(CheckpointError, match="stored or deflated"):
            read_npz(archive(path, ("a.npy", ONES), compression=compression))
    zeros = npy(np.zeros(20_000_000, np.float32))
    with pytest.raises(CheckpointError, match=r"at most 67108864 bytes .* got 80000128 bytes"):
        read_npz(archive(path, ("a.npy", zeros), compression=zipfile.ZIP_DEFLATED))


def test_missing_file_and_folder(tmp_path: Path) -> None:
    for path, message in {
        tmp_path / "none.npz": "there is no file",
        tmp_path: "is not a regular file; give a file of this folder",
    }.items():
        with pytest.raises(CheckpointError, match=message):
            read_npz(path)


def test_every_changed_byte_is_refused_or_without_effect(tmp_path: Path) -> None:
    arrays = {"w": np.arange(6, dtype=np.float32).reshape(2, 3), "header": np.array('{"a": 1}')}
    write_npz(tmp_path / "a.npz", arrays)
    content = (tmp_path / "a.npz").read_bytes()
    for position in range(len(content)):
        for change in (1, 4, 128):
            changed = bytearray(content)
            changed[position] ^= change
            (tmp_path / "b.npz").write_bytes(changed)
            try:
                read = read_npz(tmp_path / "b.npz")
            except CheckpointError:
                continue
            assert read.keys() == arrays.keys()
            assert all(np.array_equal(read[name], arrays[name]) for name in arrays)


@pytest.mark.parametrize("array", [np.array([1, np.nan]), np.array([None]), np.ones(2, complex), np.array([b"x"])])
def test_arrays_that_cannot_be_read_are_not_written(tmp_path: Path, array: np.ndarray) -> None:
    write_npz(tmp_path / "a.npz", {"x": np.ones(1)})
    before = (tmp_path / "a.npz").read_bytes()
    with pytest.raises(CheckpointError, match=r"a\.npz, array 'x': expected"):
        write_npz(tmp_path / "a.npz", {"y": np.ones(1), "x": array})
    assert (tmp_path / "a.npz").read_bytes() == before
    assert [path.name for path in tmp_path.iterdir()] == ["a.npz"]


@pytest.mark.parametrize(
    "text", ["", "{", '{"a": 1, "a": 2}', "[NaN]", "-Infinity", "1e999", "[" * 100_000, '{"a":' * 100_000, "9" * 5000]
)
def test_json_is_refused(text: str) -> None:
    with pytest.raises(ValueError):  # noqa: PT011
        parse_json(text)


def test_json_values() -> None:
    value = {"a": [1, 2.5, None, True, "x"], "b": {"a": {}}}
    assert parse_json(json.dumps(value)) == value
