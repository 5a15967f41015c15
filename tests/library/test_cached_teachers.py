"""A teacher in a file: the answers that somebody's network gave, clip by clip.

A file may hold logits, or embeddings, which know nothing of our classes. Then a logistic regression, trained on no clip
of the test fold, makes logits of them. All is found by the names of the clips, and what is missing is told before
anything is trained.
"""

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from support.strategies import seeds

from quatnet.distill import linear_probe, read_cached_outputs
from quatnet.errors import ConfigError, DataError, ShapeError

# The probe


def test_a_probe_of_two_points() -> None:
    # At -1 and 1, weights (-w, w): w² + 2c log(1 + e^-2w) is smallest where w = 2c σ(-2w).
    # Let w be half the logarithm of 2: σ(-2w) = 1/3, so this is the answer to c = 3/4 log 2
    w, c = np.log(2) / 2, 0.75 * np.log(2)
    probe = linear_probe(np.array([[-1.0], [1.0]]), np.array([0, 1]), 2, inverse_penalty=c)
    np.testing.assert_allclose(probe(np.array([[1.0], [3.0]])), [[-w, w], [-3 * w, 3 * w]], atol=1e-4)


@settings(max_examples=20)
@given(seeds)
def test_a_probe_does_not_see_the_scale_of_the_embeddings(seed: int) -> None:
    rng = np.random.default_rng(seed)
    x, labels = rng.standard_normal((30, 4)), rng.integers(3, size=30)
    scale, shift = rng.uniform(0.1, 10, 4), rng.standard_normal(4)
    plain, scaled = linear_probe(x, labels, 3)(x), linear_probe(x * scale + shift, labels, 3)(x * scale + shift)
    np.testing.assert_allclose(plain, scaled, atol=1e-3)


def test_a_probe_finds_clusters_and_ignores_a_constant_column(rng: np.random.Generator) -> None:
    labels = np.arange(60) % 4
    x = np.concatenate([4 * np.eye(4)[labels] + rng.standard_normal((60, 4)), np.ones((60, 1))], axis=1)
    probe = linear_probe(x[:40].astype(np.float16), labels[:40], 4)
    assert probe(x[40:]).dtype == np.float32
    assert (probe(x[40:]).argmax(axis=1) == labels[40:]).mean() > 0.9


@pytest.mark.parity
def test_the_probe_is_the_logistic_regression_of_scikit_learn(rng: np.random.Generator) -> None:
    linear_model = pytest.importorskip("sklearn.linear_model")
    x, labels = rng.standard_normal((40, 5)), rng.integers(3, size=40)
    twin = linear_model.LogisticRegression(C=0.1, tol=1e-8, max_iter=1000)
    s = (x - x.mean(axis=0)) / x.std(axis=0)
    found, expected = linear_probe(x, labels, 3, inverse_penalty=0.1)(x), twin.fit(s, labels).decision_function(s)
    centered = [logits - logits.mean(axis=1, keepdims=True) for logits in (found, expected)]  # biases are free of it
    np.testing.assert_allclose(*centered, atol=1e-3)


@pytest.mark.parametrize(("shape", "labels"), [((3,), 3), ((3, 2), 2), ((0, 2), 0)])
def test_a_probe_needs_a_label_for_each_embedding(shape: tuple, labels: int) -> None:
    with pytest.raises(ShapeError, match=r"embeddings \(N, size\) and labels \(N,\)"):
        linear_probe(np.ones(shape), np.zeros(labels, int), 2)


def test_a_probe_of_strange_labels_or_penalties_is_refused() -> None:
    with pytest.raises(ShapeError, match="labels from 0 to 1"):
        linear_probe(np.ones((2, 2)), np.array([0, 2]), 2)
    with pytest.raises(ConfigError, match="inverse_penalty > 0"):
        linear_probe(np.ones((2, 2)), np.array([0, 1]), 2, inverse_penalty=0.0)


# Files


def teacher_file(path: Path, **arrays: np.ndarray) -> Path:
    np.savez(path, **arrays)
    return path


def test_answers_come_by_the_names_of_the_clips(tmp_path: Path) -> None:
    logits = np.arange(6, dtype=np.float16).reshape(3, 2)
    recorded = read_cached_outputs(
        teacher_file(tmp_path / "t.npz", clip=np.array(["a", "b.0", "c.wav"]), logits=logits)
    )
    assert recorded.kind == "logits"
    np.testing.assert_array_equal(recorded.of(["c.wav", "a.ogg", "b.0"]), logits[[2, 0, 1]])
    assert recorded.of(["a"]).dtype == np.float32


def test_logits_are_preferred_to_embeddings(tmp_path: Path) -> None:
    path = teacher_file(tmp_path / "t.npz", clip=np.array(["a"]), embedding=np.ones((1, 9)), logits=np.ones((1, 2)))
    assert (read_cached_outputs(path).kind, read_cached_outputs(path).answers.shape) == ("logits", (1, 2))


NAMES, ONES = np.array(["a", "b"]), np.ones((2, 3))
BAD_FILES = {
    "must hold clip, and logits or embedding; it holds logits": {"logits": ONES},
    "must hold clip, and logits or embedding; it holds clip": {"clip": NAMES, "predictions": ONES},
    r"floats \(N, size\) in logits, got \(2,\) of <U1 and \(3, 3\)": {"clip": NAMES, "logits": np.ones((3, 3))},
    r"floats \(N, size\) in embedding, got .* of int64": {"clip": NAMES, "embedding": np.ones((2, 3), int)},
    "got .* of int64 and": {"clip": np.arange(2), "logits": ONES},
    "each clip once": {"clip": np.array(["a", "a"]), "logits": ONES},
    "finite numbers": {"clip": NAMES, "logits": np.full((2, 3), np.nan)},
    "no .npz file of arrays": {"clip": NAMES.astype(object), "logits": ONES},
}


@pytest.mark.parametrize("message", BAD_FILES)
def test_a_file_that_is_something_else_is_one_clear_line(tmp_path: Path, message: str) -> None:
    with pytest.raises(DataError, match=message):
        read_cached_outputs(teacher_file(tmp_path / "t.npz", **BAD_FILES[message]))


def test_missing_and_broken_files_are_one_clear_line(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"there is no file .*none.npz"):
        read_cached_outputs(tmp_path / "none.npz")
    whole = teacher_file(tmp_path / "t.npz", clip=NAMES, logits=ONES).read_bytes()
    np.save(tmp_path / "alone.npy", ONES)
    for name, content in {"half": whole[: len(whole) // 2], "text": b"clip,logits"}.items():
        (tmp_path / name).write_bytes(content)
    for name in ("half", "text", "alone.npy"):
        with pytest.raises(DataError, match=r"truncated or no \.npz file"):
            read_cached_outputs(tmp_path / name)


def test_missing_clips_are_counted_and_one_is_named(tmp_path: Path) -> None:
    recorded = read_cached_outputs(teacher_file(tmp_path / "t.npz", clip=NAMES, logits=ONES))
    with pytest.raises(DataError, match=r"no logits for 2 of 3 clips, first 'x\.wav'"):
        recorded.of(["a", "x.wav", "y"])
