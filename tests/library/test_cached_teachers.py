"""Tests of cached teacher outputs and of the linear probe on embeddings.

Cached outputs are `.npz` files with logits or embeddings by clip name.
"""

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from support.strategies import seeds

from quatnet.distill import linear_probe, read_cached_outputs
from quatnet.errors import ConfigError, DataError, ShapeError

# Linear probe


def test_linear_probe_worked_example() -> None:
    # With the embeddings -1 and 1 and the weights (-w, w), the loss is w² + 2c log(1 + e^-2w).
    # The minimum of the loss is at w = 2c σ(-2w). For w = log(2) / 2, σ(-2w) is 1/3, so c = 3/4 log 2.
    w, c = np.log(2) / 2, 0.75 * np.log(2)
    probe = linear_probe(np.array([[-1.0], [1.0]]), np.array([0, 1]), 2, inverse_penalty=c)
    np.testing.assert_allclose(probe(np.array([[1.0], [3.0]])), [[-w, w], [-3 * w, 3 * w]], atol=1e-4)


@settings(max_examples=20)
@given(seeds)
def test_linear_probe_is_invariant_to_scale_and_shift(seed: int) -> None:
    rng = np.random.default_rng(seed)
    x, labels = rng.standard_normal((30, 4)), rng.integers(3, size=30)
    scale, shift = rng.uniform(0.1, 10, 4), rng.standard_normal(4)
    original, scaled = linear_probe(x, labels, 3)(x), linear_probe(x * scale + shift, labels, 3)(x * scale + shift)
    np.testing.assert_allclose(original, scaled, atol=1e-3)


def test_linear_probe_ignores_a_column_that_is_constant_up_to_rounding(rng: np.random.Generator) -> None:
    x = rng.standard_normal((60, 5)).astype(np.float32)
    column = np.full((60, 1), 0.1, np.float32)
    column[:3] = np.nextafter(np.float32(0.1), np.float32(1))
    probe = linear_probe(np.hstack([x, column]), (x[:, 0] > 0).astype(int), 2, inverse_penalty=1.0)
    assert abs(probe(np.hstack([x, column + 0.1]))).max() < 100


def test_linear_probe_of_clusters_and_a_constant_column(rng: np.random.Generator) -> None:
    labels = np.arange(60) % 4
    x = np.concatenate([4 * np.eye(4)[labels] + rng.standard_normal((60, 4)), np.ones((60, 1))], axis=1)
    probe = linear_probe(x[:40].astype(np.float16), labels[:40], 4)
    assert probe(x[40:]).dtype == np.float32
    assert (probe(x[40:]).argmax(axis=1) == labels[40:]).mean() > 0.9


@pytest.mark.parity
def test_linear_probe_agrees_with_scikit_learn(rng: np.random.Generator) -> None:
    linear_model = pytest.importorskip("sklearn.linear_model")
    x, labels = rng.standard_normal((40, 5)), rng.integers(3, size=40)
    reference = linear_model.LogisticRegression(C=0.1, tol=1e-8, max_iter=1000)
    s = (x - x.mean(axis=0)) / x.std(axis=0)
    actual, expected = linear_probe(x, labels, 3, inverse_penalty=0.1)(x), reference.fit(s, labels).decision_function(s)
    # a constant that is added to all biases does not change the loss
    centered = [logits - logits.mean(axis=1, keepdims=True) for logits in (actual, expected)]
    np.testing.assert_allclose(*centered, atol=1e-3)


@pytest.mark.parametrize(("shape", "labels"), [((3,), 3), ((3, 2), 2), ((0, 2), 0)])
def test_linear_probe_invalid_shapes(shape: tuple, labels: int) -> None:
    with pytest.raises(ShapeError, match=r"embeddings \(N, size\) and labels \(N,\)"):
        linear_probe(np.ones(shape), np.zeros(labels, int), 2)


def test_linear_probe_invalid_labels_and_penalty() -> None:
    with pytest.raises(ShapeError, match="labels from 0 to 1"):
        linear_probe(np.ones((2, 2)), np.array([0, 2]), 2)
    with pytest.raises(ConfigError, match=r"inverse_penalty in \(0, inf\)"):
        linear_probe(np.ones((2, 2)), np.array([0, 1]), 2, inverse_penalty=0.0)


# Files


def teacher_file(path: Path, **arrays: np.ndarray) -> Path:
    np.savez(path, **arrays)
    return path


def test_select_outputs_by_clip_name(tmp_path: Path) -> None:
    logits = np.arange(6, dtype=np.float16).reshape(3, 2)
    cached = read_cached_outputs(teacher_file(tmp_path / "t.npz", clip=np.array(["a", "b.0", "c.wav"]), logits=logits))
    assert cached.kind == "logits"
    np.testing.assert_array_equal(cached.select(["c.wav", "a.ogg", "b.0"]), logits[[2, 0, 1]])
    assert cached.select(["a"]).dtype == np.float32


def test_logits_are_preferred_to_embeddings(tmp_path: Path) -> None:
    path = teacher_file(tmp_path / "t.npz", clip=np.array(["a"]), embedding=np.ones((1, 9)), logits=np.ones((1, 2)))
    assert (read_cached_outputs(path).kind, read_cached_outputs(path).outputs.shape) == ("logits", (1, 2))


NAMES, ONES = np.array(["a", "b"]), np.ones((2, 3))
BAD_FILES = {
    "must have clip, and logits or embedding; it has logits": {"logits": ONES},
    "must have clip, and logits or embedding; it has clip": {"clip": NAMES, "predictions": ONES},
    r"floats \(N, size\) in logits, got \(2,\) of <U1 and \(3, 3\)": {"clip": NAMES, "logits": np.ones((3, 3))},
    r"floats \(N, size\) in embedding, got .* of int64": {"clip": NAMES, "embedding": np.ones((2, 3), int)},
    "got .* of int64 and": {"clip": np.arange(2), "logits": ONES},
    "each clip once": {"clip": np.array(["a", "a"]), "logits": ONES},
    "array 'logits': expected finite": {"clip": NAMES, "logits": np.full((2, 3), np.nan)},
    "array 'clip': expected the header of a float": {"clip": NAMES.astype(object), "logits": ONES},
}


@pytest.mark.parametrize("message", BAD_FILES)
def test_invalid_arrays(tmp_path: Path, message: str) -> None:
    with pytest.raises(DataError, match=message):
        read_cached_outputs(teacher_file(tmp_path / "t.npz", **BAD_FILES[message]))


def test_missing_and_damaged_files(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"there is no file .*none.npz"):
        read_cached_outputs(tmp_path / "none.npz")
    complete = teacher_file(tmp_path / "t.npz", clip=NAMES, logits=ONES).read_bytes()
    np.save(tmp_path / "array.npy", ONES)
    for name, content in {"half": complete[: len(complete) // 2], "text": b"clip,logits"}.items():
        (tmp_path / name).write_bytes(content)
    for name in ("half", "text", "array.npy"):
        with pytest.raises(DataError, match=r"truncated or not an \.npz file"):
            read_cached_outputs(tmp_path / name)


def test_missing_clips(tmp_path: Path) -> None:
    cached = read_cached_outputs(teacher_file(tmp_path / "t.npz", clip=NAMES, logits=ONES))
    with pytest.raises(DataError, match=r"no logits for 2 of 3 clips, first 'x\.wav'"):
        cached.select(["a", "x.wav", "y"])


@pytest.mark.parametrize("name", ["a.wav", "a", "dog/a", "dog/a.wav"])
def test_clip_names_in_folders(tmp_path: Path, name: str) -> None:
    cached = read_cached_outputs(teacher_file(tmp_path / "t.npz", clip=np.array([name]), logits=np.ones((1, 2))))
    np.testing.assert_array_equal(cached.select(["dog/a.wav"]), [[1, 1]])
