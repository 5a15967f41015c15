"""Measure the fraction of floored feature cells of each front end, in each of the four components.

    python examples/reproduce/floored_cells.py               synthesized sounds
    python examples/reproduce/floored_cells.py --data DIR    real recordings: ESC-50 in its official layout

A cell of the log-mel spectrogram is floored if its level is at the floor. A cell of a delta is floored if it is exactly
0. Cells of digital silence are floored in every front end.
"""

import argparse
from pathlib import Path

import numpy as np
from tqdm import tqdm

from quatnet import datasets
from quatnet.audio import FrontEnd, floored_cell_fractions
from quatnet.cli import positive_int, run_main
from quatnet.paper_code import PaperCodeFrontEnd


def floored_fractions(clips: list[datasets.Clip], frontend: FrontEnd) -> np.ndarray:
    """Return the fraction of floored cells of each component, averaged over the clips."""
    fractions = [
        floored_cell_fractions(frontend(*clip.source()), floor_db=frontend.floor_db)
        for clip in tqdm(clips, desc=frontend.variant, unit="clip")
    ]
    return np.mean(fractions, axis=0)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, metavar="DIR", help="ESC-50: the folder with meta/ and audio/")
    parser.add_argument("--clips", type=positive_int, default=200, help="number of clips, evenly spaced (default 200)")
    parser.add_argument(
        "--floor-db", type=float, default=-100.0, help="lower limit in dB (default -100, as in the paper)"
    )
    args = parser.parse_args()
    data = datasets.esc50.load(args.data) if args.data else datasets.synthetic.load(clips_per_class=20, seed=0)
    clips = list(data.clips[:: max(1, len(data.clips) // args.clips)])
    print(f"{data.name}: {len(clips)} clips, floor {args.floor_db} dB", "front end       r     i     j     k", sep="\n")
    floor = {"floor_db": args.floor_db}
    for frontend in (FrontEnd(**floor), PaperCodeFrontEnd(**floor), FrontEnd(**floor, variant="repeat")):
        fractions = floored_fractions(clips, frontend)
        print(f"{frontend.variant:10}" + "".join(f"{fraction:6.1%}" for fraction in fractions))


if __name__ == "__main__":
    run_main(main)
