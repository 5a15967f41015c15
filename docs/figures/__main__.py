"""Draw the figures of the chapters.

python docs/figures                        draw all figures into this folder
python docs/figures --out DIR 03_eight     draw the figures whose names start with 03_eight into DIR
python docs/figures --check                check that the committed figures are up to date
"""

import argparse
import re
import runpy
import sys
import tempfile
from pathlib import Path

import matplotlib
from dark import with_dark_theme

HERE = Path(__file__).parent
STYLE = {"svg.hashsalt": "quatnet", "svg.fonttype": "path", "font.size": 11, "savefig.facecolor": "white"}


def save(script: Path, folder: Path) -> Path:
    """Draw 03_name.py as 03-name.svg and return its path. The output is byte-reproducible."""
    path = folder / f"{script.stem.replace('_', '-')}.svg"
    with matplotlib.rc_context(STYLE):
        runpy.run_path(str(script))["draw"]().savefig(path, bbox_inches="tight", metadata={"Date": None})
    path.write_text(with_dark_theme(path.read_text(encoding="utf-8")), encoding="utf-8")
    return path


def texts(path: Path) -> list[tuple[str, str]]:
    """Return all texts of a figure, which matplotlib writes as comments next to their outlines, and the dark theme."""
    return re.findall(r"<!-- (.*?) -->|(prefers-color-scheme)", path.read_text(encoding="utf-8"), re.DOTALL)


def is_stale(script: Path) -> bool:
    """Return whether the texts of the committed figure differ. Outlines may differ between matplotlib versions."""
    with tempfile.TemporaryDirectory() as folder:
        drawn = save(script, Path(folder))
        committed = HERE / drawn.name
        return not committed.exists() or texts(committed) != texts(drawn)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("names", nargs="*", default=[""], help="prefixes of file names, for example 03")
    parser.add_argument("--out", type=Path, default=HERE, help="folder (default: this one)")
    parser.add_argument("--check", action="store_true", help="fail if a committed figure is not up to date")
    args = parser.parse_args()
    scripts = sorted(path for name in args.names for path in HERE.glob(f"{name}*.py") if path.stem[0].isdigit())
    if args.check:
        stale = [script.name for script in scripts if is_stale(script)]
        print(
            f"out of date, redraw with python docs/figures: {', '.join(stale)}" if stale else "figures are up to date"
        )
        return bool(stale)
    args.out.mkdir(parents=True, exist_ok=True)
    for script in scripts:
        print(save(script, args.out))
    return 0


if __name__ == "__main__":
    sys.exit(main())
