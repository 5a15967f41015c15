"""Random arrays for the array module under test, and comparisons on the host."""

import numpy as np

from quatnet.backend import Array, asnumpy, xp


def draw(seed: int | np.random.Generator, *shape: int, dtype: type = np.float64) -> Array:
    """Return standard normal numbers; a Generator goes on where it was, a number starts anew."""
    return xp.asarray(np.random.default_rng(seed).standard_normal(shape).astype(dtype))


def dot(a: Array, b: Array) -> float:
    """Return <a, b>, the sum of the products of all entries."""
    return float((a * b).sum())


def assert_close(found: Array, expected: Array, *, rtol: float = 1e-11, atol: float = 1e-11) -> None:
    """Raise AssertionError unless shapes are equal (no broadcasting) and all entries agree."""
    found, expected = asnumpy(found), asnumpy(expected)
    assert found.shape == expected.shape, f"expected shape {expected.shape}, got {found.shape}"
    np.testing.assert_allclose(found, expected, rtol=rtol, atol=atol)
