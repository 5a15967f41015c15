"""Test the chunked evaluation of quaternion functions, and the Hamilton product of complex pairs.

`apply_chunked` evaluates a function in one call for small arrays, and in chunks on all cores for large arrays. The
results with and without chunks are compared for random shapes, axes, dtypes, strides and numbers of threads. Sizes near
the limit and the values 0, infinity and nan are tested too.
"""

import json
import math
import sys
from itertools import product

import algebra
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from support import oracles
from support.arrays import assert_close, draw
from support.strategies import quaternions, seeds

from quatnet import quaternion, threads
from quatnet.backend import asnumpy, on_gpu
from quatnet.quaternion import chunks, complex_pairs, hamilton_product
from quatnet.quaternion.complex_pairs import pair_product

pytestmark = pytest.mark.skipif(on_gpu(), reason="there are no chunks on a GPU")

UNARY_FUNCTIONS = {
    name: getattr(quaternion, name) for name in ("exp", "log", "sqrt", "normalize", "inverse", "norm", "squared_norm")
} | {
    "power": lambda q, axis=-1: quaternion.power(q, 0.3, axis=axis),
    "to_axis_angle": lambda q, axis=-1: quaternion.to_axis_angle(q, axis=axis)[0],
    "to_euler": lambda q, axis=-1: quaternion.to_euler(q, convention="ZYX", axis=axis),
}
BINARY_FUNCTIONS = {
    name: getattr(quaternion, name)
    for name in ("hamilton_product", "divide", "inner_product", "quaternion_power", "geodesic_distance")
} | {
    "slerp": lambda p, q, axis=-1: quaternion.slerp(p, q, 0.3, axis=axis),
    "squad": lambda p, q, axis=-1: quaternion.squad(p, q, p, q, 0.3, axis=axis),
    "squad_control": lambda p, q, axis=-1: quaternion.squad_control(p, q, p, axis=axis),
    "rotate": lambda p, q, axis=-1: quaternion.rotate(p, quaternion.imaginary_part(q, axis=axis), axis=axis),
}


class Chunked:
    """A context in which arrays of at least `min_size` quaternions are split into chunks of about `chunk_bytes`."""

    def __init__(self, min_size, chunk_bytes=512):
        self.min_size, self.chunk_bytes = min_size, chunk_bytes

    def __enter__(self):
        self.patch = pytest.MonkeyPatch()
        for module in (chunks, complex_pairs):
            self.patch.setattr(module, "MIN_CHUNKED_SIZE", self.min_size)
        self.patch.setattr(threads, "CACHE_BYTES", self.chunk_bytes)

    def __exit__(self, *error):
        self.patch.undo()


def with_and_without_chunks(function, *arguments, **options):
    """Return the results of a function with chunks and without chunks."""
    with Chunked(min_size=2):
        chunked = function(*arguments, **options)
    with Chunked(min_size=math.inf):
        return chunked, function(*arguments, **options)


def assert_chunks_agree(function, *arguments, **options):
    """Raise AssertionError unless the results with and without chunks have the same dtype and agree up to rounding.

    NumPy may round the last digit differently at the end of an array. `power` increases this difference.
    """
    chunked, direct = with_and_without_chunks(function, *arguments, **options)
    assert chunked.dtype == direct.dtype
    tolerance = 64 * float(np.finfo(direct.dtype).eps)
    assert_close(chunked, direct, rtol=tolerance, atol=tolerance * float(np.abs(direct).max(initial=0)))


# Quaternions as complex pairs


def test_pair_product_worked_example():
    # The product of the pairs a + b j and c + d j is (ac - b d*) + (ad + b c*) j.
    # 1 + 2i + 3j + 4k = (1 + 2i) + (3 + 4i) j, so a = 1 + 2i and b = 3 + 4i. The other pair is c = 5 + 6i, d = 7 + 8i.
    # ac - b d* = (5 - 12) + (6 + 10)i - (3 + 4i)(7 - 8i) = (-7 + 16i) - (53 + 4i) = -60 + 12i
    # ad + b c* = (7 - 16) + (8 + 14)i + (3 + 4i)(5 - 6i) = (-9 + 22i) + (39 + 2i) = 30 + 24i
    first, second = pair_product(np.asarray([1 + 2j, 3 + 4j]), np.asarray([5 + 6j, 7 + 8j]))
    assert (first, second) == (-60 + 12j, 30 + 24j)


def test_pair_product_of_j_and_i():
    # j i = -k = i* j, so the product of the pairs (0, 1) and (i, 0) is (0, i*)
    first, second = pair_product(np.asarray([0, 1 + 0j]), np.asarray([1j, 0]))
    assert (first, second) == (0, -1j)


def test_pair_products_of_units():
    for a, b in np.ndindex(4, 4):
        component, sign = oracles.unit_product(a, b)
        actual = np.asarray(pair_product(np.eye(4)[a].view(complex), np.eye(4)[b].view(complex))).view(float)
        np.testing.assert_array_equal(actual.ravel(), sign * np.eye(4)[component])


@given(quaternions(), quaternions())
def test_pair_product_equals_reference(p, q):
    actual = np.asarray(pair_product(p.view(complex), q.view(complex))).view(float)
    assert_close(actual.ravel(), oracles.hamilton(p, q), atol=1e-9)


# With and without chunks


@pytest.mark.parametrize("name", UNARY_FUNCTIONS)
@settings(max_examples=15)
@given(
    seed=seeds,
    lengths=st.lists(st.integers(0, 30), max_size=3),
    axis=st.integers(0, 3),
    step=st.sampled_from([1, 2, -1]),
)
def test_chunks_on_any_axis(name, seed, lengths, axis, step):
    axis %= len(lengths) + 1
    shape = [*lengths[:axis], 4, *lengths[axis:]]
    q = draw(seed, *(length * abs(step) if n != axis else length for n, length in enumerate(shape)))
    q = q[tuple(slice(None, None, step) if n != axis else slice(None) for n in range(q.ndim))]
    assert_chunks_agree(UNARY_FUNCTIONS[name], q, axis=axis)
    assert_chunks_agree(UNARY_FUNCTIONS[name], q, axis=axis - q.ndim)


@pytest.mark.parametrize("name", BINARY_FUNCTIONS)
@settings(max_examples=15)
@given(
    seed=seeds,
    lengths=st.lists(st.tuples(st.integers(1, 30), st.booleans(), st.booleans()), max_size=3),
    dropped_axes=st.integers(0, 3),
)
def test_chunks_with_broadcasting(name, seed, lengths, dropped_axes):
    rng = np.random.default_rng(seed)
    p = draw(rng, *(1 if is_one else length for length, is_one, _ in lengths), 4)
    q = draw(rng, *(1 if is_one else length for length, _, is_one in lengths), 4)
    q = q[(0,) * min(dropped_axes, q.ndim - 1)]
    assert_chunks_agree(BINARY_FUNCTIONS[name], p, q)
    assert_chunks_agree(BINARY_FUNCTIONS[name], q, p)


@given(seeds, st.lists(st.integers(1, 40), min_size=1, max_size=2))
def test_chunks_with_scalar_arguments(seed, lengths):
    rng = np.random.default_rng(seed)
    q, t = draw(rng, *lengths, 4), draw(rng, 3, *lengths)
    assert_chunks_agree(quaternion.power, q, t)
    assert_chunks_agree(quaternion.power, q, t[0])
    assert_chunks_agree(quaternion.slerp, q[..., :1, :], q, t)
    assert_chunks_agree(quaternion.from_axis_angle, q[..., 1:], t)


@pytest.mark.parametrize("length", [15, 16, 17, 31, 32, 33])
@pytest.mark.parametrize("name", [*UNARY_FUNCTIONS, *BINARY_FUNCTIONS])
def test_chunk_boundaries(name, length, rng):
    q = [draw(rng, length, 4) for _ in range(1 if name in UNARY_FUNCTIONS else 2)]
    function = (UNARY_FUNCTIONS | BINARY_FUNCTIONS)[name]
    with Chunked(min_size=16, chunk_bytes=16 * 2 * 4 * 8):  # chunks of about 16 quaternions
        actual = function(*q)
    expected = np.stack([function(*(part[n] for part in q)) for n in range(length)])
    assert_close(actual, expected, rtol=1e-14, atol=1e-14)


@pytest.mark.parametrize("dtype", [np.float32, np.float64, np.longdouble, np.int64])
@pytest.mark.parametrize("name", [*UNARY_FUNCTIONS, *BINARY_FUNCTIONS])
def test_chunks_keep_the_dtype(name, dtype, rng):
    q = (3 * draw(rng, 20, 4)).astype(dtype)
    arguments = [q] if name in UNARY_FUNCTIONS else [q, q + 1]
    chunked, direct = with_and_without_chunks((UNARY_FUNCTIONS | BINARY_FUNCTIONS)[name], *arguments)
    assert chunked.dtype == direct.dtype
    assert chunked.dtype == dtype or dtype == np.int64


def test_mixed_dtypes_and_strides(rng):
    p, q = draw(rng, 20, 4), draw(rng, 20, 4)
    assert_chunks_agree(hamilton_product, p, q.astype(np.float32))
    assert_chunks_agree(hamilton_product, p.astype(np.float32), q)
    assert_chunks_agree(hamilton_product, p[:, ::-1], q)
    assert_chunks_agree(hamilton_product, np.asfortranarray(p), q)


def test_chunked_result_is_contiguous(rng):
    q = draw(rng, 5, 4, 30)
    with Chunked(min_size=2):
        assert quaternion.exp(q, axis=1).flags.c_contiguous


# Threads


@pytest.mark.parametrize("name", [*UNARY_FUNCTIONS, *BINARY_FUNCTIONS])
def test_result_is_independent_of_the_number_of_threads(name, rng, monkeypatch):
    q = [draw(rng, chunks.MIN_CHUNKED_SIZE + 1, 4) for _ in range(1 if name in UNARY_FUNCTIONS else 2)]
    results = []
    for count in ("1", "2"):
        monkeypatch.setenv("QUATNET_NUM_THREADS", count)
        results.append((UNARY_FUNCTIONS | BINARY_FUNCTIONS)[name](*q))
    np.testing.assert_array_equal(*results)


def test_functions_inside_a_parallel_loop(rng):
    q = draw(rng, 4, chunks.MIN_CHUNKED_SIZE, 4)
    actual = list(threads.parallel_map(lambda n: quaternion.exp(q[n]), range(4)))
    np.testing.assert_array_equal(np.stack(actual), quaternion.exp(q))


# Limits of floating point


SPECIAL = np.asarray(list(product([0.0, -0.0, 1.0, -2.0, 1e-200, 1e200, math.inf, math.nan], repeat=4)))


@pytest.mark.parametrize("name", [*UNARY_FUNCTIONS, *BINARY_FUNCTIONS])
def test_special_values_are_independent_of_neighbors(name, rng):
    selected = rng.permutation(len(SPECIAL))[:200]
    arguments = [SPECIAL[selected], SPECIAL[selected[::-1]]][: 1 if name in UNARY_FUNCTIONS else 2]
    if name == "hamilton_product":  # if products overflow, the result of complex pairs may be inf instead of nan
        arguments = [np.where(part == 1e200, 1e100, part) for part in arguments]
    function = (UNARY_FUNCTIONS | BINARY_FUNCTIONS)[name]
    with np.errstate(all="ignore"), Chunked(min_size=2, chunk_bytes=40 * 2 * 4 * 8):
        actual = function(*arguments)
    with np.errstate(all="ignore"):
        separately = np.stack([function(*(part[n] for part in arguments)) for n in range(len(selected))])
    np.testing.assert_allclose(asnumpy(actual), asnumpy(separately), rtol=1e-15, atol=0)


@pytest.mark.parametrize("name", ["exp", "log", "sqrt", "normalize", "norm", "power", "to_euler"])
def test_extreme_values_do_not_change_other_results(name, rng):
    q = draw(rng, 100, 4)
    mixed = np.concatenate([q, [[1e-200, 0, 0, 0], [1e300, 1, 1, 1], [0, 0, 0, 0]]])
    with np.errstate(all="ignore"):
        np.testing.assert_array_equal(UNARY_FUNCTIONS[name](mixed)[:100], UNARY_FUNCTIONS[name](q))


def test_error_state_in_threads(rng):
    q = np.full((chunks.MIN_CHUNKED_SIZE, 4), 1e3)
    with np.errstate(all="ignore"):
        assert np.isinf(quaternion.exp(q)[0, 0])
    with np.errstate(over="raise"), pytest.raises(FloatingPointError):
        quaternion.exp(q)


# Benchmark against other libraries


def test_benchmark_without_other_libraries(monkeypatch, capsys, tmp_path):
    for name in ("quaternion", "quaternionic"):
        monkeypatch.setitem(sys.modules, name, None)  # the import raises ModuleNotFoundError
    algebra.main(["--size", "100", "--repeats", "1", "--json", str(tmp_path / "table.json")])
    output = capsys.readouterr().out
    assert "numpy-quaternion is not measured" in output
    assert "pip install quaternionic" in output
    table = json.loads((tmp_path / "table.json").read_text())["rows"]
    assert [row["operation"] for row in table] == 2 * ["product", "exp", "log", "rotate", "slerp"]
    assert all(row["worst_ulp"] is None or row["worst_ulp"] < 8 for row in table)
