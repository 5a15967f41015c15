"""Inference time of compiled networks against ONNX Runtime, for batches of 1 and 4 clips and 1 and 2 threads.

python examples/benchmarks/onnx_runtime.py [--rounds 30] [--networks small_cnn qcnn14] [--frames 501]
"""

import argparse
import os
import subprocess
import sys
import tempfile
from functools import partial
from pathlib import Path

import numpy as np
from speed_measure import time_alternately

import quatnet
from quatnet import graph
from quatnet.cli import positive_int, run_main
from quatnet.models import Network, build, from_name, small_cnn

BATCHES, THREADS = (1, 4), (1, 2)


def make_network(name: str) -> Network:
    config = small_cnn(50) if name == "small_cnn" else from_name(name, 527)
    return build(config, rng=np.random.default_rng(0))


def measure(name: str, frames: int, threads: int, rounds: int) -> None:
    """Print one row of the table for each batch size. The process has the given number of threads."""
    import onnxruntime

    model = make_network(name)
    with tempfile.TemporaryDirectory() as folder:
        graph.to_onnx(graph.trace(model, model.example_input(frames)), Path(folder) / "network.onnx")
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = threads
        session = onnxruntime.InferenceSession(Path(folder) / "network.onnx", options)
    for batch in BATCHES:
        x = np.random.default_rng(batch).standard_normal((batch, frames, 64, 4), dtype=np.float32)
        compiled = quatnet.compile(model, x)
        expected, found = compiled(x).data, session.run(None, {"input": x})[0]
        difference = np.abs(found - expected).max() / np.abs(expected).max()
        runs = {"quatnet": partial(compiled, x), "onnx": partial(session.run, None, {"input": x})}
        times = {side: 1000 * seconds["median"] for side, seconds in time_alternately(runs, rounds, 0.0).items()}
        row = f"| {name} | {batch} | {threads} | {times['quatnet']:.1f} | {times['onnx']:.1f} "
        print(f"{row}| {times['quatnet'] / times['onnx']:.2f} | {difference:.0e} |", flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument(
        "--rounds", type=positive_int, default=30, help="alternating measurements of both programs (30)"
    )
    parser.add_argument("--frames", type=positive_int, default=501, help="frames of a clip (501, 5 s)")
    parser.add_argument("--networks", nargs="+", default=["small_cnn", "qcnn14"], help="small_cnn, or a published name")
    parser.add_argument("--threads", type=positive_int, help="measure in this process, with this number of threads")
    args = parser.parse_args()
    if args.threads:
        for name in args.networks:
            measure(name, args.frames, args.threads, args.rounds)
        return
    print("| network | batch | threads | quatnet.compile ms | ONNX Runtime ms | ratio | difference |")
    print("|---|---|---|---|---|---|---|", flush=True)
    for threads in THREADS:  # the number of threads is fixed when NumPy is imported
        environment = os.environ | {"QUATNET_NUM_THREADS": str(threads)}
        subprocess.run([sys.executable, *sys.argv, "--threads", str(threads)], env=environment, check=True)


if __name__ == "__main__":
    run_main(main)
