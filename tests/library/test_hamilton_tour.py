"""Tests of examples/hamilton_tour.py: printed products and rotations, and the two figures."""

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from hamilton_tour import ROTATION, format_quaternion, rotate
from support import python_path

TOUR = Path(__file__).parents[2] / "examples" / "hamilton_tour.py"


def run(*arguments: str, **environment: str) -> subprocess.CompletedProcess:
    command = [sys.executable, str(TOUR), *arguments]
    return subprocess.run(command, capture_output=True, text=True, env={**os.environ, **environment}, check=False)


@pytest.fixture(scope="module")
def tour(tmp_path_factory):
    pytest.importorskip("matplotlib")
    out = tmp_path_factory.mktemp("tour")
    return run("--out", str(out), PYTHONUTF8="1"), out


def test_printed_table_products_and_rotations(tour):
    process, _ = tour
    assert process.returncode == 0, process.stderr
    lines = [line.split() for line in process.stdout.splitlines()]
    for row in ("1 i j k", "i -1 k -j", "j -k -1 i", "k j -i -1"):
        assert row.split() in lines
    # printed for hamilton_product, the matrix and eight_products
    assert process.stdout.count("-60 + 12i + 30j + 24k") == 3
    assert process.stdout.count("-60 + 20i + 14j + 32k") == 1  # printed for the product q ⊗ p
    for start, end in ("ij", "jk", "ki"):
        assert [start, "to", end] in lines


@pytest.mark.parametrize("name", ["rotation", "blocks"])
def test_figure_contains_the_colors_of_i_j_k(tour, name):
    from matplotlib.colors import to_rgb
    from matplotlib.image import imread

    image = imread(tour[1] / f"{name}.png")[..., :3]
    assert min(image.shape[:2]) > 300
    for color in ("#F5B041", "#85C1E9", "#7DCEA0"):
        pixels = (np.abs(image - to_rgb(color)) < 0.02).all(axis=-1)
        assert pixels.sum() > 1000, f"{name}: almost no pixels in {color}"


def test_rotate_permutes_the_axes():
    np.testing.assert_allclose([rotate(v, ROTATION) for v in np.eye(3)], np.roll(np.eye(3), 1, axis=1), atol=1e-15)


def test_format_quaternion():
    numbers = ([5.0, -6, 0, 1], [0.0, 0, -1, 0.5], [-1.0, 0, 0, 0], [0.0, 11, 0, -1], np.zeros(4))
    assert [format_quaternion(q) for q in numbers] == ["5 - 6i + k", "-j + 0.5k", "-1", "11i - k", "0"]


def test_message_without_matplotlib(tmp_path):
    (tmp_path / "matplotlib.py").write_text("raise ModuleNotFoundError('no matplotlib here')\n")
    path = python_path(tmp_path, TOUR.parent.parent)
    process = run("--out", str(tmp_path), PYTHONPATH=path, PYTHONUTF8="1")
    assert process.returncode == 1
    assert "p ⊗ q" in process.stdout  # the text is printed before the figures are drawn
    assert "Traceback" not in process.stderr
    assert 'pip install "quatnet-numpy[examples]"' in process.stderr
