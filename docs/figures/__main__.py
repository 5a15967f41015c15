"""Draw the figures of the chapters.

python docs/figures                        all of them, beside this file
python docs/figures --out DIR 03_eight     those whose name begins so, into DIR
python docs/figures --check                are the committed figures those of the code?
"""

import argparse
import re
import runpy
import sys
import tempfile
from pathlib import Path

import matplotlib

HERE = Path(__file__).parent
STYLE = {"svg.hashsalt": "quatnet", "svg.fonttype": "path", "font.size": 11, "savefig.facecolor": "white"}


def save(script: Path, folder: Path) -> Path:
    """Draw 03_name.py as 03-name.svg; the same bytes every time."""
    path = folder / f"{script.stem.replace('_', '-')}.svg"
    with matplotlib.rc_context(STYLE):
        runpy.run_path(str(script))["draw"]().savefig(path, bbox_inches="tight", metadata={"Date": None})
    return path


def words(path: Path) -> list[str]:
    """Every text of a figure: matplotlib leaves it in a comment beside the outlines of its letters."""
    return re.findall(r"<!-- (.*?) -->", path.read_text(encoding="utf-8"), re.DOTALL)


def stale(script: Path) -> bool:
    """Does the committed figure say something else than the code? Outlines may differ between versions."""
    with tempfile.TemporaryDirectory() as folder:
        drawn = save(script, Path(folder))
        committed = HERE / drawn.name
        return not committed.exists() or words(committed) != words(drawn)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("names", nargs="*", default=[""], help="beginnings of names, for example 03")
    parser.add_argument("--out", type=Path, default=HERE, help="folder (default: this one)")
    parser.add_argument("--check", action="store_true", help="fail where a committed figure is not up to date")
    chosen = parser.parse_args()
    scripts = sorted(path for name in chosen.names for path in HERE.glob(f"{name}*.py") if path.stem[0].isdigit())
    if chosen.check:
        old = [script.name for script in scripts if stale(script)]
        print(f"out of date, draw them again with python docs/figures: {', '.join(old)}" if old else "figures agree")
        return bool(old)
    chosen.out.mkdir(parents=True, exist_ok=True)
    for script in scripts:
        print(save(script, chosen.out))
    return 0


if __name__ == "__main__":
    sys.exit(main())
