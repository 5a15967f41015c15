"""How fast is AudioSet's path, and does its memory grow with the number of clips?

    python examples/benchmarks/packing.py --clips 20000 --work DIR   needs 12.8 GB in DIR, and gives them back

A table of so many clips is made, whose recordings are links to sixteen files (16 bits). It is packed,
checked, and heard as evaluation and balanced training hear it. Peak memory is that of the whole process.
"""

import argparse
import json
import os
import platform
import resource
import sys
import tempfile
import time
from collections.abc import Iterable
from pathlib import Path

import numpy as np
import soundfile

from quatnet import thread_count
from quatnet.audio import FrontEnd
from quatnet.cli import run_main
from quatnet.datasets import Format, Packed, audioset, balanced_batches, pack, recordings

FILES, CLASSES = 16, 527


def options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--clips", type=int, default=2000)
    parser.add_argument("--seconds", type=float, default=10.0, help="length of a clip")
    parser.add_argument("--rate", type=int, default=32000, help="sample rate of the recordings in Hz")
    parser.add_argument("--heard", type=int, default=960, help="clips that go through the front end, at the most")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--work", type=Path, default=Path(tempfile.gettempdir()))
    return parser.parse_args()


def make(folder: Path, args: argparse.Namespace) -> audioset.Segments:
    """Tables and links; noise, since silence would compress in some file systems."""
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


def rate(clips: int, work: Iterable) -> float:
    """Clips a second, while `work` is gone through."""
    start = time.perf_counter()
    for _ in work:
        pass
    return clips / (time.perf_counter() - start)


def peak_mb() -> float:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024 / (1024 if sys.platform == "darwin" else 1)


def measure(folder: Path, args: argparse.Namespace) -> dict:
    segments, form = make(folder, args), Format(clip_seconds=args.seconds)
    found = {
        "clips": args.clips,
        "seconds": args.seconds,
        "rate": args.rate,
        "threads": thread_count(),
        "start_mb": peak_mb(),
    }
    files = recordings(folder / "audio")
    found["packed_per_s"] = rate(args.clips, (pack(segments, files, folder / "packed", form) for _ in range(1)))
    found["packing_mb"] = peak_mb()
    packed = Packed(segments, folder / "packed", form)
    found["bytes_per_clip"] = sum(path.stat().st_size for path in (folder / "packed").iterdir()) / len(packed)
    found["checked_per_s"] = rate(len(packed), (packed.verify() for _ in range(1)))
    frontend, heard = FrontEnd(clip_seconds=args.seconds), min(args.heard, len(packed))
    batches = (packed.features(range(n, min(n + 32, heard)), frontend) for n in range(0, heard, 32))
    found["heard_per_s"] = rate(heard, batches)
    epoch = balanced_batches(packed, frontend, batch_size=32, steps_per_epoch=heard // 32)
    found["balanced_per_s"] = rate(heard // 32 * 32, epoch(np.random.default_rng(args.seed)))
    return found | {"peak_mb": peak_mb(), "machine": platform.processor() or platform.machine()}


def main() -> None:
    args = options()
    with tempfile.TemporaryDirectory(dir=args.work) as folder:
        print(json.dumps(measure(Path(folder), args), indent=1))


if __name__ == "__main__":
    run_main(main)
