"""How much each front end loses: the share of cells that say nothing, in each of the four components.

    python examples/floored_cells.py               synthesized sounds
    python examples/floored_cells.py --data DIR    real recordings: ESC-50 in its official layout

A level says nothing at the floor, a slope where it is exactly 0. Digital silence says nothing to any front end: its
share is that of component r.
"""

import argparse
from pathlib import Path

import numpy as np
import story  # examples/story.py
from tqdm import tqdm

from quatnet import datasets
from quatnet.audio import COMPONENTS, FrontEnd, floored_cells
from quatnet.cli import run_main


def shares(clips: list[datasets.Clip], frontend: FrontEnd) -> np.ndarray:
    """The mean over clips of the shares (4,) of empty cells."""
    found = [
        floored_cells(frontend(*clip.source()), floor_db=frontend.floor_db)
        for clip in tqdm(clips, desc=frontend.variant, unit="clip")
    ]
    return np.mean(found, axis=0)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, metavar="DIR", help="ESC-50: the folder with meta/ and audio/")
    parser.add_argument("--clips", type=story.positive, default=200, help="evenly spread over the set (default 200)")
    parser.add_argument("--floor-db", type=float, default=-100.0, help="default -100, the paper's")
    args = parser.parse_args()
    data = datasets.esc50.load(args.data) if args.data else datasets.synthetic.load(clips_per_class=20, seed=0)
    clips = list(data.clips[:: max(1, len(data.clips) // args.clips)])
    print(f"{data.name}: {len(clips)} clips, floor {args.floor_db} dB", "front end       r     i     j     k", sep="\n")
    for variant in COMPONENTS:
        found = shares(clips, FrontEnd(floor_db=args.floor_db, variant=variant))
        print(f"{variant:10}" + "".join(f"{share:6.1%}" for share in found))


if __name__ == "__main__":
    run_main(main, stopped="stopped; --resume goes on from the last finished epoch")
