"""How fast and how exact is the algebra? Side by side with the C and the Numba library, where they are installed.

    python examples/benchmarks/algebra.py                  # quatnet alone, with NumPy
    pip install numpy-quaternion quaternionic mpmath      # the other two libraries, and fifty digits
    python examples/benchmarks/algebra.py --json algebra.json

All run in one process, taking turns, on the same numbers; each time is the median. Both peers compute on one
thread; they are also given a part of the array per thread, as quatnet takes for itself, and the better time counts.
Errors are in units of the last place of the result's length, the worst of samples that hold small turns too.
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


def numbers(size: int, dtype: type) -> SimpleNamespace:
    """Quaternions a, b; rotations p, q at most half a turn apart, some nearly equal; vectors v; numbers t."""
    rng = np.random.default_rng(0)
    a, b = rng.standard_normal((2, size, 4))
    a[:4] = [1, 0, 0, 0] + 1e-9 * a[:4]
    p, q = quaternion.normalize(a), quaternion.normalize(b)
    q[4:8] = quaternion.normalize(p[4:8] + 1e-8 * b[4:8])
    q *= np.where(quaternion.inner_product(p, q) < 0, -1, 1)[:, None]
    arrays = {"a": a, "b": b, "p": p, "q": q, "v": rng.standard_normal((size, 3)), "t": rng.random(size)}
    return SimpleNamespace(**{name: array.astype(dtype) for name, array in arrays.items()})


def quatnet_jobs(d: SimpleNamespace) -> dict[str, Callable]:
    """One function of a slice per operation."""
    return {
        "product": lambda s: quaternion.hamilton_product(d.a[s], d.b[s]),
        "exp": lambda s: quaternion.exp(d.a[s]),
        "log": lambda s: quaternion.log(d.a[s]),
        "rotate": lambda s: quaternion.rotate(d.p[s], d.v[s]),
        "slerp": lambda s: quaternion.slerp(d.p[s], d.q[s], d.t[s]),
    }


def numpy_quaternion_jobs(d: SimpleNamespace) -> dict[str, Callable]:
    import quaternion as peer

    a, b, p, q = (peer.as_quat_array(part) for part in (d.a, d.b, d.p, d.q))
    plain = peer.as_float_array
    return {
        "product": lambda s: plain(a[s] * b[s]),
        "exp": lambda s: plain(np.exp(a[s])),
        "log": lambda s: plain(np.log(a[s])),
        "rotate": lambda s: peer.as_vector_part(p[s] * peer.from_vector_part(d.v[s]) * p[s].conj()),
        "slerp": lambda s: plain(np.slerp_vectorized(p[s], q[s], d.t[s])),
    }


def quaternionic_jobs(d: SimpleNamespace) -> dict[str, Callable]:
    import quaternionic as peer

    a, b, p, q = (peer.array(part) for part in (d.a, d.b, d.p, d.q))
    return {
        "product": lambda s: (a[s] * b[s]).ndarray,
        "exp": lambda s: np.exp(a[s]).ndarray,
        "log": lambda s: np.log(a[s]).ndarray,
        "rotate": lambda s: (p[s] * peer.array.from_vector_part(d.v[s]) * p[s].conjugate()).vector,
        "slerp": lambda s: peer.slerp(p[s], q[s], d.t[s]).ndarray,
    }


PEERS = {"numpy-quaternion": numpy_quaternion_jobs, "quaternionic": quaternionic_jobs}


def exact(d: SimpleNamespace, name: str, n: int) -> list:
    """Sample n in fifty digits: a quaternion as its 4x4 matrix, since matrices have an exp and a log of their own."""
    import mpmath as mp

    mp.mp.dps = 50
    vector = np.append(0, d.v[n])
    a, b, p, q, v = (mp.matrix(quaternion.left_matrix(x).tolist()) for x in (d.a[n], d.b[n], d.p[n], d.q[n], vector))
    matrix = {
        "product": lambda: a * b,
        "exp": lambda: mp.expm(a),
        "log": lambda: mp.logm(a),
        "rotate": lambda: p * v * p**-1,
        "slerp": lambda: p * mp.expm(float(d.t[n]) * mp.logm(p**-1 * q)),
    }[name]()
    return list(matrix[:, 0])[1 if name == "rotate" else 0 :]


def worst_ulp(found: np.ndarray, d: SimpleNamespace, name: str) -> float | None:
    """The largest error of the samples in units of the last place of their length; None without mpmath."""
    try:
        import mpmath as mp
    except ImportError:
        return None
    rows = [(row.tolist(), exact(d, name, n)) for n, row in enumerate(found)]
    errors = (mp.norm([f - e for f, e in zip(*row, strict=True)]) / mp.norm(row[1]) for row in rows)
    return float(max(errors) / float(np.finfo(d.a.dtype).eps))


def libraries(d: SimpleNamespace) -> dict[str, dict[str, Callable]]:
    """The libraries that are here; the peers have float64 alone."""
    found = {"quatnet": quatnet_jobs(d)}
    for name, jobs in PEERS.items() if d.a.dtype == np.float64 else ():
        try:
            found[name] = jobs(d)
        except ImportError as error:
            print(f"{name} is left out ({error}); pip install {name}")
    return found


def ways(library: str, job: Callable, size: int, pool: ThreadPoolExecutor) -> list[Callable]:
    """A library's ways to do its job on the whole array: as it comes and, for a peer, a part on each thread too."""
    count = thread_count()
    parts = [slice(n * size // count, (n + 1) * size // count) for n in range(count)]
    whole, split = partial(job, slice(None)), lambda: list(pool.map(job, parts))
    return [whole] if library == "quatnet" else [whole, split]


def seconds(job: Callable) -> float:
    start = time.perf_counter()
    job()
    return time.perf_counter() - start


def compare(d: SimpleNamespace, repeats: int) -> Iterator[dict]:
    """One row per operation and library; the libraries take turns, and the first turn only warms up."""
    here = libraries(d)
    with ThreadPoolExecutor(thread_count()) as pool:
        for name in here["quatnet"]:
            jobs = {library: ways(library, own[name], len(d.a), pool) for library, own in here.items()}
            turns = [
                {library: [seconds(job) for job in own] for library, own in jobs.items()} for _ in range(repeats + 1)
            ]
            for library in here:
                medians = map(statistics.median, zip(*(turn[library] for turn in turns[1:]), strict=True))
                error = worst_ulp(here[library][name](slice(SAMPLES)), d, name)
                row = {"operation": name, "dtype": str(d.a.dtype), "library": library}
                yield row | {"ms": [1e3 * median for median in medians], "worst_ulp": error}


def main(arguments: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--size", type=int, default=1_000_000, help="quaternions in an array (default: a million)")
    parser.add_argument("--repeats", type=int, default=7, help="turns, of which the median counts")
    parser.add_argument("--json", type=Path, help="write the table to this file too")
    options = parser.parse_args(arguments)
    machine = f"{options.size} quaternions, {thread_count()} threads, NumPy {np.__version__}, {platform.platform()}"
    print(machine)
    rows = []
    for dtype in (np.float64, np.float32):
        for row in compare(numbers(options.size, dtype), options.repeats):
            error = "no mpmath, no error" if row["worst_ulp"] is None else f"{row['worst_ulp']:8.2g} ulp"
            print(f"{row['operation']:8} {row['dtype']:8} {row['library']:17} {min(row['ms']):8.1f} ms {error}")
            rows.append(row)
    if options.json:
        options.json.write_text(json.dumps({"machine": machine, "rows": rows}, indent=1))


if __name__ == "__main__":
    run_main(main)
