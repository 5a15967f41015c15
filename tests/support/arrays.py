"""Random arrays on the tested backend, and comparisons on the CPU."""

import numpy as np

from quatnet.backend import Array, asnumpy, on_gpu, xp

FLOATS = (np.float32, np.float64, *(() if on_gpu() else (np.longdouble,)))  # CuPy has no longdouble


def draw(seed: int | np.random.Generator, *shape: int, dtype: type = np.float64) -> Array:
    """Return standard normal numbers from a seed or from a Generator."""
    return xp.asarray(np.random.default_rng(seed).standard_normal(shape).astype(dtype))


def dot(a: Array, b: Array) -> float:
    """Return <a, b>, the sum of the elementwise products."""
    return float((a * b).sum())


def assert_close(actual: Array, expected: Array, *, rtol: float = 1e-11, atol: float = 1e-11) -> None:
    """Assert that the shapes are equal (without broadcasting) and that all entries agree within the tolerances."""
    actual, expected = asnumpy(actual), asnumpy(expected)
    assert actual.shape == expected.shape, f"expected shape {expected.shape}, got {actual.shape}"
    np.testing.assert_allclose(actual, expected, rtol=rtol, atol=atol)
