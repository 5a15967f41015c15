"""Measure the speed and accuracy of the quaternion algebra, optionally compared with numpy-quaternion and quaternionic.

    python examples/benchmarks/algebra.py                  # quatnet only
    pip install numpy-quaternion quaternionic mpmath      # two other libraries, and reference values with 50 digits
    python examples/benchmarks/algebra.py --json algebra.json

All libraries run alternately in one process, on the same inputs. The median time is reported. The other libraries
compute on one thread. The other libraries are also timed with the array split over as many threads as quatnet uses. The
faster of the two times is reported. Errors are measured in units in the last place (ulp) of the norm of the result. The
maximum error over all samples is reported. The samples include nearly equal rotations.
"""

import argparse
import json
import platform
import statistics
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from types import SimpleNamespace

import numpy as np

from quatnet import quaternion, thread_count
from quatnet.cli import run_main

SAMPLES = 8


def make_inputs(size: int, dtype: type) -> SimpleNamespace:
    """Return random inputs: quaternions a, b; unit quaternions p, q; vectors v; interpolation parameters t.

    The rotations p and q differ by at most 180 degrees. Some of them are nearly equal.
    """
    rng = np.random.default_rng(0)
    a, b = rng.standard_normal((2, size, 4))
    a[:4] = [1, 0, 0, 0] + 1e-9 * a[:4]
    p, q = quaternion.normalize(a), quaternion.normalize(b)
    q[4:8] = quaternion.normalize(p[4:8] + 1e-8 * b[4:8])
    q *= np.where(quaternion.inner_product(p, q) < 0, -1, 1)[:, None]
    arrays = {"a": a, "b": b, "p": p, "q": q, "v": rng.standard_normal((size, 3)), "t": rng.random(size)}
    return SimpleNamespace(**{name: array.astype(dtype) for name, array in arrays.items()})


def quatnet_operations(x: SimpleNamespace) -> dict[str, Callable]:
    """Return one function per operation. Each function takes a slice of the inputs `x` and returns an array."""
    return {
        "product": lambda s: quaternion.hamilton_product(x.a[s], x.b[s]),
        "exp": lambda s: quaternion.exp(x.a[s]),
        "log": lambda s: quaternion.log(x.a[s]),
        "rotate": lambda s: quaternion.rotate(x.p[s], x.v[s]),
        "slerp": lambda s: quaternion.slerp(x.p[s], x.q[s], x.t[s]),
    }


def numpy_quaternion_operations(x: SimpleNamespace) -> dict[str, Callable]:
    import quaternion as library

    a, b, p, q = (library.as_quat_array(array) for array in (x.a, x.b, x.p, x.q))
    to_array = library.as_float_array
    return {
        "product": lambda s: to_array(a[s] * b[s]),
        "exp": lambda s: to_array(np.exp(a[s])),
        "log": lambda s: to_array(np.log(a[s])),
        "rotate": lambda s: library.as_vector_part(p[s] * library.from_vector_part(x.v[s]) * p[s].conj()),
        "slerp": lambda s: to_array(np.slerp_vectorized(p[s], q[s], x.t[s])),
    }


def quaternionic_operations(x: SimpleNamespace) -> dict[str, Callable]:
    import quaternionic as library

    a, b, p, q = (library.array(array) for array in (x.a, x.b, x.p, x.q))
    return {
        "product": lambda s: (a[s] * b[s]).ndarray,
        "exp": lambda s: np.exp(a[s]).ndarray,
        "log": lambda s: np.log(a[s]).ndarray,
        "rotate": lambda s: (p[s] * library.array.from_vector_part(x.v[s]) * p[s].conjugate()).vector,
        "slerp": lambda s: library.slerp(p[s], q[s], x.t[s]).ndarray,
    }


OTHER_LIBRARIES = {"numpy-quaternion": numpy_quaternion_operations, "quaternionic": quaternionic_operations}


def reference_result(x: SimpleNamespace, operation: str, n: int) -> list:
    """Return the result of an operation for sample n with 50 digits.

    A quaternion is represented by its 4x4 matrix, since mpmath computes exp and log of matrices.
    """
    import mpmath as mp

    mp.mp.dps = 50
    vector = np.append(0, x.v[n])
    arrays = (x.a[n], x.b[n], x.p[n], x.q[n], vector)
    a, b, p, q, v = (mp.matrix(quaternion.left_matrix(array).tolist()) for array in arrays)
    matrix = {
        "product": lambda: a * b,
        "exp": lambda: mp.expm(a),
        "log": lambda: mp.logm(a),
        "rotate": lambda: p * v * p**-1,
        "slerp": lambda: p * mp.expm(float(x.t[n]) * mp.logm(p**-1 * q)),
    }[operation]()
    return list(matrix[:, 0])[1 if operation == "rotate" else 0 :]


def max_ulp_error(results: np.ndarray, x: SimpleNamespace, operation: str) -> float | None:
    """Return the maximum error over the samples, in ulp of the norm of the result. Return None without mpmath."""
    try:
        import mpmath as mp
    except ImportError:
        return None
    pairs = [(result.tolist(), reference_result(x, operation, n)) for n, result in enumerate(results)]
    errors = (mp.norm([r - e for r, e in zip(*pair, strict=True)]) / mp.norm(pair[1]) for pair in pairs)
    return float(max(errors) / float(np.finfo(x.a.dtype).eps))


def available_libraries(x: SimpleNamespace) -> dict[str, dict[str, Callable]]:
    """Return the operations of each installed library. Libraries other than quatnet support float64 only."""
    libraries = {"quatnet": quatnet_operations(x)}
    for name, operations in OTHER_LIBRARIES.items() if x.a.dtype == np.float64 else ():
        try:
            libraries[name] = operations(x)
        except ImportError as error:
            print(f"{name} is not measured ({error}); pip install {name}")
    return libraries


def timed_calls(library: str, function: Callable, size: int, pool: ThreadPoolExecutor) -> list[Callable]:
    """Return the calls to time: one on the whole array and, for other libraries, one split over the threads."""
    count = thread_count()
    slices = [slice(n * size // count, (n + 1) * size // count) for n in range(count)]
    whole, split = partial(function, slice(None)), lambda: list(pool.map(function, slices))
    return [whole] if library == "quatnet" else [whole, split]


def seconds(call: Callable) -> float:
    start = time.perf_counter()
    call()
    return time.perf_counter() - start


def compare(x: SimpleNamespace, repeats: int) -> Iterator[dict]:
    """Yield one result per operation and library.

    The libraries are timed alternately. The first round is a warm-up.
    """
    libraries = available_libraries(x)
    with ThreadPoolExecutor(thread_count()) as pool:
        for operation in libraries["quatnet"]:
            calls = {
                library: timed_calls(library, functions[operation], len(x.a), pool)
                for library, functions in libraries.items()
            }
            rounds = [
                {library: [seconds(call) for call in own] for library, own in calls.items()} for _ in range(repeats + 1)
            ]
            for library in libraries:
                medians = map(statistics.median, zip(*(times[library] for times in rounds[1:]), strict=True))
                error = max_ulp_error(libraries[library][operation](slice(SAMPLES)), x, operation)
                row = {"operation": operation, "dtype": str(x.a.dtype), "library": library}
                yield row | {"ms": [1e3 * median for median in medians], "worst_ulp": error}


def main(arguments: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--size", type=int, default=1_000_000, help="quaternions per array (default: 1000000)")
    parser.add_argument("--repeats", type=int, default=7, help="timed rounds; the median is reported (default: 7)")
    parser.add_argument("--json", type=Path, help="also write the table to this file")
    options = parser.parse_args(arguments)
    machine = f"{options.size} quaternions, {thread_count()} threads, NumPy {np.__version__}, {platform.platform()}"
    print(machine)
    rows = []
    for dtype in (np.float64, np.float32):
        for row in compare(make_inputs(options.size, dtype), options.repeats):
            error = "error needs mpmath" if row["worst_ulp"] is None else f"{row['worst_ulp']:8.2g} ulp"
            print(f"{row['operation']:8} {row['dtype']:8} {row['library']:17} {min(row['ms']):8.1f} ms {error}")
            rows.append(row)
    if options.json:
        options.json.write_text(json.dumps({"machine": machine, "rows": rows}, indent=1))


if __name__ == "__main__":
    run_main(main)
