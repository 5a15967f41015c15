"""Tests of `import quatnet`: the public packages are attributes, and heavy ones are not imported before their use."""

import os
import subprocess
import sys

import pytest

import quatnet as qn


@pytest.mark.parametrize("name", [*qn.PACKAGES, "ops", "Tensor", "gradcheck", "no_grad"])
def test_public_attribute(name: str) -> None:
    assert getattr(qn, name) is not None
    assert name in dir(qn)


def test_unknown_attribute() -> None:
    with pytest.raises(AttributeError, match="module 'quatnet' has no attribute 'layers'"):
        qn.layers  # noqa: B018


def test_import_does_not_load_scipy_signal_and_matplotlib() -> None:
    code = "import sys, quatnet; print([m for m in ('scipy.signal', 'matplotlib', 'soundfile') if m in sys.modules])"
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=60)
    assert run.stdout.strip() == "[]"


@pytest.mark.parametrize("arguments", [["-m", "quatnet", "info"], ["-c", "from quatnet.__main__ import main; main()"]])
def test_interrupt_during_the_imports_prints_one_line(arguments: list[str], tmp_path) -> None:
    (tmp_path / "numpy.py").write_text("raise KeyboardInterrupt")
    path = os.pathsep.join([str(tmp_path), *sys.path])
    command = [sys.executable, *arguments]
    environment = os.environ | {"PYTHONPATH": path, "QUATNET_BACKEND": "numpy"}
    run = subprocess.run(command, capture_output=True, text=True, timeout=60, env=environment)
    assert (run.returncode, run.stdout, run.stderr) == (130, "", "quatnet: stopped\n")
