"""Check that the output files of examples/esc50.py are complete: python .ci/check_results.py runs/esc50"""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent.parent / "tests"))
from support.results import check_results

check_results(Path(sys.argv[1]))
print("results.json, five checkpoints and the pictures are complete")
