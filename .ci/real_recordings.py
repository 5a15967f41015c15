"""The example's smoke run on real recordings: python .ci/real_recordings.py SOURCE WORK (ESC-10)."""

import subprocess
import sys
from pathlib import Path

source, work = Path(sys.argv[1]), Path(sys.argv[2])
root = Path(__file__).parent.parent
subprocess.run([sys.executable, source / "unpack.py", "esc50", work, "--esc10"], check=True)
example = [sys.executable, root / "examples" / "esc50.py", "--smoke", "--esc10"]
subprocess.run([*example, "--data", work, "--out", work / "out"], check=True)
subprocess.run([sys.executable, root / ".ci" / "check_results.py", work / "out"], check=True)
