"""Measure the speed and memory of packing and loading AudioSet.

    python examples/benchmarks/packing.py --clips 20000 --work DIR   writes 12.8 GB to DIR, and deletes the files at the
    end

The script creates a segment table with the given number of clips. The recordings are hard links to 16 files of noise
with 16 bits per sample. The clips are packed and verified. The packed clips are converted to features as in evaluation
and as in balanced training. Peak memory is the peak resident memory of the whole process.
"""

import argparse
import json
import os
import platform
import resource
import sys
import tempfile
import time
from collections.abc import Callable, Iterable
from pathlib import Path

import numpy as np
import soundfile

from quatnet import thread_count
from quatnet.audio import FrontEnd
from quatnet.cli import run_main
from quatnet.datasets import PackedClips, ShardFormat, audioset, balanced_batches, index_recordings, pack

FILES, CLASSES = 16, 527


def parse_options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--clips", type=int, default=2000, help="number of clips (default: 2000)")
    parser.add_argument("--seconds", type=float, default=10.0, help="clip length in seconds (default: 10)")
    parser.add_argument("--rate", type=int, default=32000, help="sample rate of the recordings in Hz (default: 32000)")
    parser.add_argument(
        "--heard", type=int, default=960, help="maximum number of clips converted to features (default: 960)"
    )
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--work", type=Path, default=Path(tempfile.gettempdir()))
    return parser.parse_args()


def create_toy_data(folder: Path, args: argparse.Namespace) -> audioset.Segments:
    """Write the tables and the recordings, and return the segments.

    The recordings contain noise, since some file systems compress files of silence.
    """
    rng = np.random.default_rng(args.seed)
    classes = "".join(f'{n},/m/{n:03},"class {n}"\n' for n in range(CLASSES))
    (folder / audioset.LABELS).write_text("index,mid,display_name\n" + classes)
    for n in range(FILES):
        noise = rng.uniform(-0.5, 0.5, round(args.rate * args.seconds))
        soundfile.write(folder / f"noise{n}.wav", noise, args.rate, subtype="PCM_16")
    (folder / "audio").mkdir()
    table = folder / "unbalanced_train_segments.csv"
    with table.open("w") as file:
        for n in range(args.clips):
            os.link(folder / f"noise{n % FILES}.wav", folder / "audio" / f"Yclip{n:07}.wav")
            labels = ",".join(f"/m/{k:03}" for k in {n % CLASSES, *rng.integers(CLASSES, size=2)})
            file.write(f'clip{n:07}, 0.000, 10.000, "{labels}"\n')
    return audioset.read_segments(table, folder / audioset.LABELS)


def consume(batches: Iterable) -> None:
    for _ in batches:
        pass


def clips_per_second(clips: int, work: Callable[[], object]) -> float:
    """Call `work`, which processes `clips` clips, and return its speed in clips per second."""
    start = time.perf_counter()
    work()
    return clips / (time.perf_counter() - start)


def peak_mb() -> float:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024 / (1024 if sys.platform == "darwin" else 1)


def measure(folder: Path, args: argparse.Namespace) -> dict:
    segments, audio_format = create_toy_data(folder, args), ShardFormat(clip_seconds=args.seconds)
    results = {
        "clips": args.clips,
        "seconds": args.seconds,
        "rate": args.rate,
        "threads": thread_count(),
        "start_mb": peak_mb(),
    }
    files = index_recordings(folder / "audio")
    results["packed_per_s"] = clips_per_second(
        args.clips, lambda: pack(segments, files, folder / "packed", audio_format)
    )
    results["packing_mb"] = peak_mb()
    packed = PackedClips(segments, folder / "packed", audio_format)
    results["bytes_per_clip"] = sum(path.stat().st_size for path in (folder / "packed").iterdir()) / len(packed)
    results["checked_per_s"] = clips_per_second(len(packed), packed.verify)
    frontend, num_clips = FrontEnd(clip_seconds=args.seconds), min(args.heard, len(packed))
    batches = (packed.features(range(n, min(n + 32, num_clips)), frontend) for n in range(0, num_clips, 32))
    results["heard_per_s"] = clips_per_second(num_clips, lambda: consume(batches))
    epoch = balanced_batches(packed, frontend, batch_size=32, steps_per_epoch=num_clips // 32)
    results["balanced_per_s"] = clips_per_second(
        num_clips // 32 * 32, lambda: consume(epoch(np.random.default_rng(args.seed)))
    )
    return results | {"peak_mb": peak_mb(), "machine": platform.processor() or platform.machine()}


def main() -> None:
    args = parse_options()
    with tempfile.TemporaryDirectory(dir=args.work) as folder:
        print(json.dumps(measure(Path(folder), args), indent=1))


if __name__ == "__main__":
    run_main(main)
