"""One formula, any axis, all cores.

NumPy reads a formula over four rows fastest, and cores are kept busy by pieces that fit their caches. So each
formula of the algebra is written once, on rows, and `apply_chunked` brings every array into that form: as it is while
it is small, in pieces when it is large. This file holds the two ways against each other: for any shape, axis,
dtype and stride, around the size where the way changes, for any number of threads, and at 0, infinity and nan,
where a shortcut that is right for all neighbors of a number must not be taken for the number itself.
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

pytestmark = pytest.mark.skipif(on_gpu(), reason="a GPU takes every array whole")

OF_ONE = {
    name: getattr(quaternion, name) for name in ("exp", "log", "sqrt", "normalize", "inverse", "norm", "squared_norm")
} | {
    "power": lambda q, axis=-1: quaternion.power(q, 0.3, axis=axis),
    "to_axis_angle": lambda q, axis=-1: quaternion.to_axis_angle(q, axis=axis)[0],
    "to_euler": lambda q, axis=-1: quaternion.to_euler(q, convention="ZYX", axis=axis),
}
OF_TWO = {
    name: getattr(quaternion, name)
    for name in ("hamilton_product", "divide", "inner_product", "quaternion_power", "geodesic_distance")
} | {
    "slerp": lambda p, q, axis=-1: quaternion.slerp(p, q, 0.3, axis=axis),
    "squad": lambda p, q, axis=-1: quaternion.squad(p, q, p, q, 0.3, axis=axis),
    "squad_control": lambda p, q, axis=-1: quaternion.squad_control(p, q, p, axis=axis),
    "rotate": lambda p, q, axis=-1: quaternion.rotate(p, quaternion.imaginary_part(q, axis=axis), axis=axis),
}


class Pieces:
    """Within it, arrays of `large` quaternions and more are cut into pieces of about `piece` bytes."""

    def __init__(self, large, piece=512):
        self.large, self.piece = large, piece

    def __enter__(self):
        self.patch = pytest.MonkeyPatch()
        for module in (chunks, complex_pairs):
            self.patch.setattr(module, "MIN_CHUNKED_SIZE", self.large)
        self.patch.setattr(threads, "CACHE_BYTES", self.piece)

    def __exit__(self, *error):
        self.patch.undo()


def both_ways(function, *arguments, **options):
    """Return the result of the pieces and that of the whole."""
    with Pieces(large=2):
        cut = function(*arguments, **options)
    with Pieces(large=math.inf):
        return cut, function(*arguments, **options)


def assert_alike(function, *arguments, **options):
    """The same dtype, and numbers a few units in the last place of the largest apart: NumPy rounds the ends of a row
    in its own way, and a power with a large exponent multiplies that."""
    cut, whole = both_ways(function, *arguments, **options)
    assert cut.dtype == whole.dtype
    places = 64 * float(np.finfo(whole.dtype).eps)
    assert_close(cut, whole, rtol=places, atol=places * float(np.abs(whole).max(initial=0)))


# A quaternion as two complex numbers, by hand


def test_a_product_of_pairs_worked_with_a_pencil():
    # 1 + 2i + 3j + 4k = (1 + 2i) + (3 + 4i) j: a = 1 + 2i, b = 3 + 4i, and likewise c = 5 + 6i, d = 7 + 8i
    # ac - b d* = (5 - 12) + (6 + 10)i - (3 + 4i)(7 - 8i) = (-7 + 16i) - (53 + 4i) = -60 + 12i
    # ad + b c* = (7 - 16) + (8 + 14)i + (3 + 4i)(5 - 6i) = (-9 + 22i) + (39 + 2i) = 30 + 24i
    first, second = pair_product(np.asarray([1 + 2j, 3 + 4j]), np.asarray([5 + 6j, 7 + 8j]))
    assert (first, second) == (-60 + 12j, 30 + 24j)


def test_j_conjugates_what_it_passes():
    # j i = -k = i* j: in pairs, (0 + 1j)(i + 0j) = 0 + i* j
    first, second = pair_product(np.asarray([0, 1 + 0j]), np.asarray([1j, 0]))
    assert (first, second) == (0, -1j)


def test_all_sixteen_products_of_units_are_the_same_in_pairs():
    for a, b in np.ndindex(4, 4):
        component, sign = oracles.unit_product(a, b)
        found = np.asarray(pair_product(np.eye(4)[a].view(complex), np.eye(4)[b].view(complex))).view(float)
        np.testing.assert_array_equal(found.ravel(), sign * np.eye(4)[component])


@given(quaternions(), quaternions())
def test_the_product_of_pairs_is_the_sum_over_the_table(p, q):
    found = np.asarray(pair_product(p.view(complex), q.view(complex))).view(float)
    assert_close(found.ravel(), oracles.hamilton(p, q), atol=1e-9)


# Pieces and the whole


@pytest.mark.parametrize("name", OF_ONE)
@settings(max_examples=15)
@given(
    seed=seeds,
    sides=st.lists(st.integers(0, 30), max_size=3),
    place=st.integers(0, 3),
    step=st.sampled_from([1, 2, -1]),
)
def test_pieces_give_what_the_whole_gives_on_any_axis(name, seed, sides, place, step):
    place %= len(sides) + 1
    shape = [*sides[:place], 4, *sides[place:]]
    q = draw(seed, *(side * abs(step) if n != place else side for n, side in enumerate(shape)))
    q = q[tuple(slice(None, None, step) if n != place else slice(None) for n in range(q.ndim))]
    assert_alike(OF_ONE[name], q, axis=place)
    assert_alike(OF_ONE[name], q, axis=place - q.ndim)


@pytest.mark.parametrize("name", OF_TWO)
@settings(max_examples=15)
@given(
    seed=seeds,
    sides=st.lists(st.tuples(st.integers(1, 30), st.booleans(), st.booleans()), max_size=3),
    fewer=st.integers(0, 3),
)
def test_pieces_broadcast_as_the_whole_does(name, seed, sides, fewer):
    rng = np.random.default_rng(seed)
    p = draw(rng, *(1 if narrow else side for side, narrow, _ in sides), 4)
    q = draw(rng, *(1 if narrow else side for side, _, narrow in sides), 4)
    q = q[(0,) * min(fewer, q.ndim - 1)]
    assert_alike(OF_TWO[name], p, q)
    assert_alike(OF_TWO[name], q, p)


@given(seeds, st.lists(st.integers(1, 40), min_size=1, max_size=2))
def test_numbers_broadcast_in_pieces_too(seed, sides):
    rng = np.random.default_rng(seed)
    q, t = draw(rng, *sides, 4), draw(rng, 3, *sides)
    assert_alike(quaternion.power, q, t)
    assert_alike(quaternion.power, q, t[0])
    assert_alike(quaternion.slerp, q[..., :1, :], q, t)
    assert_alike(quaternion.from_axis_angle, q[..., 1:], t)


@pytest.mark.parametrize("length", [15, 16, 17, 31, 32, 33])
@pytest.mark.parametrize("name", [*OF_ONE, *OF_TWO])
def test_no_quaternion_is_lost_where_the_way_changes_or_a_piece_ends(name, length, rng):
    q = [draw(rng, length, 4) for _ in range(1 if name in OF_ONE else 2)]
    function = (OF_ONE | OF_TWO)[name]
    with Pieces(large=16, piece=16 * 2 * 4 * 8):  # pieces of 16 quaternions, pairs and vectors of about that
        found = function(*q)
    expected = np.stack([function(*(part[n] for part in q)) for n in range(length)])
    assert_close(found, expected, rtol=1e-14, atol=1e-14)


@pytest.mark.parametrize("dtype", [np.float16, np.float32, np.float64, np.longdouble, np.int64])
@pytest.mark.parametrize("name", [*OF_ONE, *OF_TWO])
def test_the_dtype_of_the_pieces_is_that_of_the_whole(name, dtype, rng):
    q = (3 * draw(rng, 20, 4)).astype(dtype)
    cut, whole = both_ways((OF_ONE | OF_TWO)[name], *[q] if name in OF_ONE else [q, q + 1])
    assert cut.dtype == whole.dtype
    assert cut.dtype == dtype or dtype == np.int64


def test_two_dtypes_and_strides_that_are_no_pairs_take_the_rows(rng):
    p, q = draw(rng, 20, 4), draw(rng, 20, 4)
    assert_alike(hamilton_product, p, q.astype(np.float32))
    assert_alike(hamilton_product, p.astype(np.float32), q)
    assert_alike(hamilton_product, p[:, ::-1], q)
    assert_alike(hamilton_product, np.asfortranarray(p), q)


def test_a_large_result_lies_in_one_piece_of_memory(rng):
    q = draw(rng, 5, 4, 30)
    with Pieces(large=2):
        assert quaternion.exp(q, axis=1).flags.c_contiguous


# Threads


@pytest.mark.parametrize("name", [*OF_ONE, *OF_TWO])
def test_the_number_of_threads_changes_no_bit(name, rng, monkeypatch):
    q = [draw(rng, chunks.MIN_CHUNKED_SIZE + 1, 4) for _ in range(1 if name in OF_ONE else 2)]
    results = []
    for count in ("1", "2"):
        monkeypatch.setenv("QUATNET_NUM_THREADS", count)
        results.append((OF_ONE | OF_TWO)[name](*q))
    np.testing.assert_array_equal(*results)


def test_the_algebra_may_be_used_inside_work_that_is_spread_already(rng):
    q = draw(rng, 4, chunks.MIN_CHUNKED_SIZE, 4)
    found = list(threads.parallel_map(lambda n: quaternion.exp(q[n]), range(4)))
    np.testing.assert_array_equal(np.stack(found), quaternion.exp(q))


# The edges of floating point


SPECIAL = np.asarray(list(product([0.0, -0.0, 1.0, -2.0, 1e-200, 1e200, math.inf, math.nan], repeat=4)))


@pytest.mark.parametrize("name", [*OF_ONE, *OF_TWO])
def test_a_quaternion_does_not_feel_its_neighbors(name, rng):
    chosen = rng.permutation(len(SPECIAL))[:200]
    numbers = [SPECIAL[chosen], SPECIAL[chosen[::-1]]][: 1 if name in OF_ONE else 2]
    if name == "hamilton_product":  # where products overflow, a pair may round inf - inf to inf before it is nan
        numbers = [np.where(part == 1e200, 1e100, part) for part in numbers]
    function = (OF_ONE | OF_TWO)[name]
    with np.errstate(all="ignore"), Pieces(large=2, piece=40 * 2 * 4 * 8):
        found = function(*numbers)
    with np.errstate(all="ignore"):
        alone = np.stack([function(*(part[n] for part in numbers)) for n in range(len(chosen))])
    np.testing.assert_allclose(asnumpy(found), asnumpy(alone), rtol=1e-15, atol=0)


@pytest.mark.parametrize("name", ["exp", "log", "sqrt", "normalize", "norm", "power", "to_euler"])
def test_one_extreme_number_does_not_move_the_last_bit_of_the_others(name, rng):
    q = draw(rng, 100, 4)
    mixed = np.concatenate([q, [[1e-200, 0, 0, 0], [1e300, 1, 1, 1], [0, 0, 0, 0]]])
    with np.errstate(all="ignore"):
        np.testing.assert_array_equal(OF_ONE[name](mixed)[:100], OF_ONE[name](q))


def test_an_overflow_in_a_thread_is_ignored_or_raised_as_the_caller_says(rng):
    large = np.full((chunks.MIN_CHUNKED_SIZE, 4), 1e3)
    with np.errstate(all="ignore"):
        assert np.isinf(quaternion.exp(large)[0, 0])
    with np.errstate(over="raise"), pytest.raises(FloatingPointError):
        quaternion.exp(large)


# The comparison with other libraries


def test_the_benchmark_runs_with_numpy_alone_and_says_what_is_missing(monkeypatch, capsys, tmp_path):
    for name in ("quaternion", "quaternionic"):
        monkeypatch.setitem(sys.modules, name, None)  # importing it raises ModuleNotFoundError
    algebra.main(["--size", "100", "--repeats", "1", "--json", str(tmp_path / "table.json")])
    printed = capsys.readouterr().out
    assert "numpy-quaternion is left out" in printed
    assert "pip install quaternionic" in printed
    table = json.loads((tmp_path / "table.json").read_text())["rows"]
    assert [row["operation"] for row in table] == 2 * ["product", "exp", "log", "rotate", "slerp"]
    assert all(row["worst_ulp"] is None or row["worst_ulp"] < 8 for row in table)
