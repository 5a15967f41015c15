"""Quaternion CNNs on emotions in speech: eight of them, in voices that the networks have never heard.

    python examples/ravdess.py                      synthesized voices, a few minutes
    python examples/ravdess.py --data DIR --fold 1  RAVDESS: Actor_01/ to Actor_24/, five folds by actor

What is trained and compared is told in `esc50.py` and `story.py`; --init and --freeze are explained in `gtzan.py`.
"""

import argparse
from pathlib import Path

import story  # examples/story.py
import story_options
from story_task import one_label_task

from quatnet import datasets
from quatnet.cli import run_main
from quatnet.datasets import ravdess, synthetic

EPOCHS = {"RAVDESS": 40}  # 5 for synthesized voices


def options() -> argparse.Namespace:
    parser = story_options.parser(__doc__, out="runs/ravdess")
    parser.add_argument("--data", type=Path, metavar="DIR", help="RAVDESS: the folder with Actor_01/ ..., or the zip")
    parser.add_argument("--fold", type=int, default=1, help="the fold of actors to test on, 1 to 5 (default 1)")
    parser.add_argument(
        "--epochs", type=story_options.positive, help="default 5 for synthesized voices, 40 for RAVDESS"
    )
    return parser.parse_args()


def load_clips(args: argparse.Namespace) -> datasets.Dataset:
    """Real recordings where a folder is given, synthesized voices otherwise."""
    if args.data:
        return ravdess.load(args.data)
    return synthetic.voices(repetitions=1 if args.smoke else 2, actors=12 if args.smoke else 24, seed=args.seed)


def main() -> None:
    args = options()
    data = load_clips(args)
    frontend = story.heard(
        args.frontend, hop=1280 if args.smoke else 640, floor_db=-60.0, clip_seconds=2.0 if args.smoke else 4.0
    )
    task = one_label_task(data, args.fold, frontend, cache=args.out.parent / "features")
    story.tell(task, args, epochs=args.epochs or (2 if args.smoke else EPOCHS.get(data.name, 5)))


if __name__ == "__main__":
    run_main(main, stopped="stopped; --resume goes on from the last finished epoch")
