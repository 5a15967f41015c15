"""The story of quaternion CNNs on environmental sounds, from clips to a small network, on NumPy alone.

    python examples/esc50.py                        synthesized sounds, a few minutes
    python examples/esc50.py --data DIR [--esc10]   real recordings: ESC-50 in its official layout
    python examples/esc50.py --download             fetches them first
    python examples/esc50.py --data DIR --teacher FILE      the student learns from answers in a file

Five networks are trained: a real CNN, its quaternion twin, a small student alone, the same student distilled
from the quaternion CNN, and the quaternion CNN with a part of its filters pruned. One table compares them.

After A. Singh, M. Plumbley, V. Abrol, Compressing Quaternion Convolutional Neural Networks for Audio
Classification, 2025 (arXiv 2510.21388).
"""

import argparse
from pathlib import Path

import story  # examples/story.py
import story_options
from story_task import one_label_task

from quatnet import datasets
from quatnet.cli import run_main

EPOCHS = {"ESC-50": 30, "ESC-10": 60}  # 5 for synthesized sounds


def options() -> argparse.Namespace:
    parser = story_options.parser(__doc__, out="runs/esc50")
    parser.add_argument(
        "--data", type=Path, metavar="DIR", help="ESC-50: the folder with meta/ and audio/, or its parent"
    )
    parser.add_argument("--download", action="store_true", help="fetch ESC-50 (600 MB) into --data, or OUT/data")
    parser.add_argument("--esc10", action="store_true", help="only the ten classes of ESC-10")
    parser.add_argument("--fold", type=int, default=1, help="the fold to test on; the others train (default 1)")
    parser.add_argument(
        "--teacher",
        type=Path,
        metavar="FILE",
        help="distil from logits or embeddings in a .npz; docs/09-distillation.md",
    )
    parser.add_argument(
        "--epochs", type=story_options.positive, help="default 5 for synthesized sounds, 60 for ESC-10, 30 for ESC-50"
    )
    return parser.parse_args()


def load_clips(args: argparse.Namespace) -> datasets.Dataset:
    """Real recordings where a folder or a download is asked for, synthesized sounds otherwise."""
    if args.download:
        args.data = datasets.download(args.data or args.out / "data")
    if args.data:
        return datasets.esc50.load(args.data, esc10=args.esc10)
    return datasets.synthetic.load(clips_per_class=5 if args.smoke else 40, seed=args.seed)


def main() -> None:
    args = options()

    # 1. Clips. Each has a class and a fold; the test fold is never trained on, and chooses nothing.
    data = load_clips(args)

    # 2. Quaternions. A time-frequency cell is one: log-mel and its first three changes in time are r, i, j, k.
    frontend = story.heard(args.frontend, hop=1280, floor_db=-60.0, clip_seconds=2.0 if args.smoke else 5.0)
    task = one_label_task(data, args.fold, frontend, cache=args.out.parent / "features", teacher=args.teacher)

    # 3. to 7. Training, distilling, pruning, and what came out: read on in story.py, `tell`.
    story.tell(task, args, epochs=args.epochs or (2 if args.smoke else EPOCHS.get(data.name, 5)))


if __name__ == "__main__":
    run_main(main, stopped="stopped; --resume goes on from the last finished epoch")
