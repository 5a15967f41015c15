"""The tour of the Hamilton product, run as a reader runs it.

`examples/hamilton_tour.py` prints the table of the units, one product by hand and by each of its forms, and the
turn of three vectors; then it draws two pictures. Here the numbers must be those of the pencil, and the pictures
must show something.
"""

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from hamilton_tour import TURN, turned, written

TOUR = Path(__file__).parents[2] / "examples" / "hamilton_tour.py"


def run(*arguments: str, **environment: str) -> subprocess.CompletedProcess:
    command = [sys.executable, str(TOUR), *arguments]
    return subprocess.run(command, capture_output=True, text=True, env={**os.environ, **environment}, check=False)


@pytest.fixture(scope="module")
def tour(tmp_path_factory):
    pytest.importorskip("matplotlib")
    out = tmp_path_factory.mktemp("tour")
    return run("--out", str(out), PYTHONUTF8="1"), out


def test_the_tour_prints_the_table_and_the_product_in_every_form(tour):
    done, _ = tour
    assert done.returncode == 0, done.stderr
    lines = [line.split() for line in done.stdout.splitlines()]
    for row in ("1 i j k", "i -1 k -j", "j -k -1 i", "k j -i -1"):
        assert row.split() in lines
    assert done.stdout.count("-60 + 12i + 30j + 24k") == 3  # by signs, by a matrix, by eight products
    assert done.stdout.count("-60 + 20i + 14j + 32k") == 1  # the other way round
    for start, end in ("ij", "jk", "ki"):
        assert [start, "to", end] in lines


@pytest.mark.parametrize("name", ["rotation", "blocks"])
def test_each_picture_shows_i_j_and_k_in_their_colors(tour, name):
    from matplotlib.colors import to_rgb
    from matplotlib.image import imread

    picture = imread(tour[1] / f"{name}.png")[..., :3]
    assert min(picture.shape[:2]) > 300
    for color in ("#F5B041", "#85C1E9", "#7DCEA0"):
        shown = (np.abs(picture - to_rgb(color)) < 0.02).all(axis=-1)
        assert shown.sum() > 1000, f"{name}: almost nothing is drawn in {color}"


def test_the_turn_in_the_picture_ends_where_it_should():
    np.testing.assert_allclose([turned(v, TURN) for v in np.eye(3)], np.roll(np.eye(3), 1, axis=1), atol=1e-15)


def test_quaternions_are_written_as_on_paper():
    numbers = ([5.0, -6, 0, 1], [0.0, 0, -1, 0.5], [-1.0, 0, 0, 0], [0.0, 11, 0, -1], np.zeros(4))
    assert [written(q) for q in numbers] == ["5 - 6i + k", "-j + 0.5k", "-1", "11i - k", "0"]


def test_without_matplotlib_the_tour_says_what_to_install(tmp_path):
    (tmp_path / "matplotlib.py").write_text("raise ModuleNotFoundError('no matplotlib here')\n")
    paths = [str(tmp_path), str(TOUR.parent.parent), os.environ.get("PYTHONPATH", "")]
    done = run("--out", str(tmp_path), PYTHONPATH=os.pathsep.join(paths), PYTHONUTF8="1")
    assert done.returncode == 1
    assert "p ⊗ q" in done.stdout  # what needs no picture is told
    assert "Traceback" not in done.stderr
    assert 'pip install "quatnet-numpy[examples]"' in done.stderr
