"""Run of a script in this process, which has imported quatnet."""

import io
import runpy
import subprocess
import sys
import traceback
from contextlib import redirect_stderr, redirect_stdout
from pathlib import Path
from unittest.mock import patch


def run_script(path: Path, *arguments: str | Path) -> subprocess.CompletedProcess:
    """Run a Python file or a folder with `__main__.py`, and return what `subprocess.run` returns.

    An import of quatnet and matplotlib takes longer than most of the runs. Each test module also starts one process.
    """
    code, stdout, stderr = 0, io.StringIO(), io.StringIO()
    command = [str(path), *map(str, arguments)]
    with patch.object(sys, "argv", command), redirect_stdout(stdout), redirect_stderr(stderr):
        try:
            runpy.run_path(str(path), run_name="__main__")
        except SystemExit as end:
            code = end.code if isinstance(end.code, int) else int(bool(end.code))
            print(end.code if isinstance(end.code, str) else "", file=stderr)
        except BaseException:
            code = 1
            traceback.print_exc()
    return subprocess.CompletedProcess(command, code, stdout.getvalue(), stderr.getvalue())
