"""Quaternion CNNs on music: ten genres, ten folds, or the fault-filtered split without artists on both sides.

    python examples/gtzan.py                        synthesized music, a few minutes
    python examples/gtzan.py --data DIR --fold 1    GTZAN: blues/ to rock/, tested on one of ten folds
    python examples/gtzan.py --data DIR --filtered  the split of Sturm and Kereliuk and others
    python examples/gtzan.py --data DIR --init runs/audioset/quaternion-CNN.npz [--freeze]

The last line is transfer: the network keeps its weights, gets a new classifier, and is trained by the recipe that
PANNs publish for GTZAN. What is trained and compared is told in `esc50.py` and `story.py`.
"""

import argparse
from pathlib import Path

import story  # examples/story.py
import story_options
from story_task import one_label_task

from quatnet import datasets
from quatnet.cli import run_main
from quatnet.datasets import gtzan, synthetic

EPOCHS = {"GTZAN": 30, "GTZAN, filtered": 60}  # 5 for synthesized music
FILTERED_TEST = 2


def options() -> argparse.Namespace:
    parser = story_options.parser(__doc__, out="runs/gtzan")
    parser.add_argument(
        "--data", type=Path, metavar="DIR", help="GTZAN: the folder with blues/ to rock/, or its parent"
    )
    parser.add_argument("--fold", type=int, default=1, help="the fold to test on, 1 to 10 (default 1)")
    parser.add_argument("--filtered", action="store_true", help="train and test on the fault-filtered split instead")
    parser.add_argument(
        "--epochs", type=story_options.positive, help="default 5 for synthesized music, 30, 60 with --filtered"
    )
    return parser.parse_args()


def load_clips(args: argparse.Namespace, clip_seconds: float) -> datasets.Dataset:
    """Real recordings where a folder is given, synthesized music otherwise."""
    if args.data:
        return gtzan.load(args.data, filtered=args.filtered)
    return synthetic.music(clips_per_class=10 if args.smoke else 30, seed=args.seed, clip_seconds=clip_seconds)


def main() -> None:
    args = options()
    frontend = story.heard(args.frontend, hop=2560, floor_db=-60.0, clip_seconds=3.0 if args.smoke else 30.0)
    data = load_clips(args, frontend.clip_seconds)
    fold = FILTERED_TEST if args.data and args.filtered else args.fold
    task = one_label_task(data, fold, frontend, cache=args.out.parent / "features")
    story.tell(task, args, epochs=args.epochs or (2 if args.smoke else EPOCHS.get(data.name, 5)))


if __name__ == "__main__":
    run_main(main, stopped="stopped; --resume goes on from the last finished epoch")
