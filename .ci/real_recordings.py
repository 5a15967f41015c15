"""Run the smoke tests of the examples on real recordings (ESC-10, RAVDESS): real_recordings.py SOURCE WORK"""

import subprocess
import sys
from pathlib import Path

source, work = Path(sys.argv[1]), Path(sys.argv[2])
root = Path(__file__).parent.parent
for name, part in (("esc50", ["--esc10"]), ("ravdess", [])):
    subprocess.run([sys.executable, source / "unpack.py", name, work / name, *part], check=True)
    out = work / f"{name}-out"
    example = [sys.executable, root / "examples" / f"{name}.py", "--smoke", *part]
    subprocess.run([*example, "--data", work / name, "--out", out], check=True)
    subprocess.run([sys.executable, root / ".ci" / "check_results.py", out], check=True)
