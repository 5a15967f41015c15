"""The JavaScript of docs/try-quaternions.md computes the same products and rotations as quatnet."""

import json
import re
import shutil
import subprocess
from pathlib import Path

import numpy as np
import pytest

from quatnet.backend import asnumpy, xp
from quatnet.quaternion import hamilton_product, rotate

SCRIPT = Path(__file__).parents[2] / "docs" / "_static" / "try-quaternions.js"
NODE, CHROMIUM = shutil.which("node"), shutil.which("chromium")
OFFLINE = [
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]

needs_node = pytest.mark.skipif(NODE is None, reason="node is not installed")
needs_chromium = pytest.mark.skipif(CHROMIUM is None, reason="chromium is not installed")


def in_node(expression: str, arguments: list) -> list:
    """Return the value of a JavaScript function of the page for each list of arguments."""
    code = f"const page = require({json.dumps(str(SCRIPT))});"
    code += f"console.log(JSON.stringify({json.dumps(arguments)}.map((x) => {expression}(...x))))"
    return json.loads(subprocess.run([NODE, "-e", code], capture_output=True, text=True, check=True, timeout=60).stdout)


@needs_node
def test_product_of_the_page():
    p, q = np.random.default_rng(0).standard_normal((2, 100, 4))
    products = in_node("page.hamiltonProduct", list(zip(p.tolist(), q.tolist(), strict=True)))
    np.testing.assert_allclose(products, asnumpy(hamilton_product(xp.asarray(p), xp.asarray(q))), rtol=0, atol=1e-12)


@needs_node
def test_signs_of_the_table():
    pairs = [(a, b) for a in range(4) for b in range(4)]
    table = np.zeros((16, 4))
    for row, (sign, component) in zip(table, in_node("page.unitProduct", pairs), strict=True):
        row[component] = sign
    a, b = np.array(pairs).T
    units = xp.eye(4)
    assert np.array_equal(table, asnumpy(hamilton_product(units[a], units[b])))


@needs_node
def test_rotation_of_the_cube():
    rng = np.random.default_rng(1)
    q, vectors = rng.standard_normal((100, 4)), rng.standard_normal((100, 3))
    rotated = in_node("page.rotate", list(zip(q.tolist(), vectors.tolist(), strict=True)))
    units = q / np.linalg.norm(q, axis=1, keepdims=True)
    np.testing.assert_allclose(rotated, asnumpy(rotate(xp.asarray(units), xp.asarray(vectors))), rtol=0, atol=1e-12)


def in_browser(folder: Path, address: str = "", script: str = "") -> str:
    """Return the DOM of a page with the script alone, opened as a file, after `script` was executed."""
    page = folder / "page.html"
    scripts = f"<script>{SCRIPT.read_text('utf-8')}</script><script>{script}</script>"
    page.write_text(f'<meta charset="utf-8"><div id="quaternion-page"></div>{scripts}', encoding="utf-8")
    command = [CHROMIUM, *OFFLINE, f"--user-data-dir={folder / 'profile'}", "--dump-dom", page.as_uri() + address]
    return subprocess.run(command, capture_output=True, text=True, check=True, timeout=120).stdout


@needs_chromium
def test_page_in_a_browser(tmp_path):
    """The page shows the product of the quaternions in its address."""
    shown = in_browser(tmp_path, "#p=1,2,3,4&q=5,6,7,-8")
    r, i, j, k = asnumpy(hamilton_product([1.0, 2, 3, 4], [5.0, 6, 7, -8])).astype(int)
    assert f"p ⊗ q = {r} − {-i}i + {j}j + {k}k".replace("-", "−") in shown
    assert shown.count("<polygon") >= 9  # three faces of each cube
    assert shown.count("<td") == 16


USE_THE_PAGE = """
const all = (selector) => [...document.querySelectorAll("#quaternion-page " + selector)];
const shown = [], record = () => shown.push(document.querySelector("#product").textContent.split(" = ")[1]);
const write = (input, value) => { input.value = value; input.dispatchEvent(new Event("input", { bubbles: true })); };
[1, 2, 3, 4, 5, 6, 7, -8].forEach((value, n) => write(all("input:not([type=range])")[n], value));
record();
all("button").forEach((button) => { button.click(); record(); });
write(all("input[type=range]")[0], 2);
record();
const move = { bubbles: true, buttons: 1, movementX: 100, movementY: 0 };
all("svg")[0].dispatchEvent(new PointerEvent("pointermove", move));
record();
document.body.dataset.shown = shown.join(";");
"""


@needs_chromium
def test_fields_buttons_sliders_and_dragging(tmp_path):
    dom = in_browser(tmp_path, script=USE_THE_PAGE)
    typed, exchanged, _, reset, slider, dragged = re.search('data-shown="([^"]*)"', dom)[1].split(";")
    assert (typed, exchanged) == ("4 − 36i + 62j + 8k", "4 + 68i − 18j + 16k")
    assert reset == "1 + i + j + k"  # p = 1 + k, q = 1 + i
    assert slider == "2 + 2i + j + k"
    components = [float(number) for number in re.findall(r"[\d.]+", dragged)]
    assert dragged != slider
    assert np.linalg.norm(components) == pytest.approx(np.sqrt(10), abs=0.01)  # |2 + k| |1 + i|


def test_script_needs_no_network():
    text = SCRIPT.read_text(encoding="utf-8")
    assert len(text.splitlines()) <= 200
    assert not [word for word in ("fetch(", "import ", "https:", "XMLHttp") if word in text]
