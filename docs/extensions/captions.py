"""Turn each image that is a paragraph of its own into a figure. Its caption is a number and the alternative text."""

import re
from pathlib import Path

from docutils import nodes
from sphinx.transforms import SphinxTransform

NARROW_PX = 480  # wider figures keep their size on a small screen and scroll


class Captions(SphinxTransform):
    """The second image of chapter 11 becomes figure 11.2; pages that are not chapters count from 1."""

    default_priority = 200  # before Sphinx collects the images

    def apply(self):
        chapter = re.match(r"0?(\d+)-", self.env.docname)
        paragraphs = [text for text in self.document.findall(nodes.paragraph) if is_image(text)]
        for number, paragraph in enumerate(paragraphs, start=1):
            image = paragraph[0]
            label = f"Figure {chapter[1]}.{number}" if chapter else f"Figure {number}"
            caption = nodes.caption("", f"{label}. {image['alt'].rstrip('.')}.")
            classes = ["wide"] if width_px(Path(self.env.srcdir) / image["uri"]) > NARROW_PX else []
            paragraph.replace_self(nodes.figure("", image, caption, classes=classes))


def width_px(path: Path) -> float:
    """Return the width of an SVG of matplotlib, or 0 for other images."""
    width = re.search(r'width="([\d.]+)pt"', path.read_text(encoding="utf-8")) if path.suffix == ".svg" else None
    return float(width[1]) * 4 / 3 if width else 0.0


def is_image(paragraph: nodes.paragraph) -> bool:
    return len(paragraph) == 1 and isinstance(paragraph[0], nodes.image)


def setup(app):
    app.add_transform(Captions)
    return {"parallel_read_safe": True}
