"""The colors of the figures on a dark page: a style sheet inside the SVG, which a browser applies in dark mode."""

BACKGROUND, FOREGROUND = "#131416", "#e6e6e6"  # of the theme furo
LINES_AND_TEXT = {  # color on a white page -> color on a dark page; other colors are readable on both
    "#ffffff": BACKGROUND,
    "#000000": FOREGROUND,
    "#f2f2f2": "#26282b",
    "#ececec": "#2b2d31",
    "#e8e8e8": "#303236",
    "#d9d9d9": "#44474c",
    "#cccccc": "#55585e",
    "#b8b8b8": "#5f6368",
    "#b0b0b0": "#5f6368",
    "#999999": "#8a8d92",
    "#666666": "#a6a9ae",
    "#4c4c4c": "#b8bbc0",
    "#0072b2": "#5ab1ea",
    "#56b4e9": "#2f7fae",
    "#009e73": "#2fc59a",
    "#d55e00": "#ff8a3d",
}
AREAS = {  # cells and bars, with text in the color of the foreground
    "#f5b041": "#8a5d14",
    "#85c1e9": "#2b5f86",
    "#7dcea0": "#2c6e4b",
    "#c39bd3": "#6d4a7d",
    "#d6604d": "#9c3c2c",
    "#f4a582": "#7d452c",
    "#92c5de": "#2d5f78",
    "#4393c3": "#2274a8",
    "#08306b": "#c6dbef",  # shades: the highest contrast stays the highest
    "#2171b5": "#6baed6",
    "#6baed6": "#2171b5",
    "#c6dbef": "#1d4a7d",
}


def with_dark_theme(figure: str) -> str:
    """Return the SVG of matplotlib with a style sheet for dark mode after its own."""
    return figure.replace("</style>", style_sheet(figure) + "</style>", 1)


def style_sheet(figure: str) -> str:
    """Return rules for the colors that `figure` contains. Text without a color is black."""
    rules = [f"svg {{ fill: {FOREGROUND} }}"]
    rules += rules_for(figure, "fill", LINES_AND_TEXT | AREAS) + rules_for(figure, "stroke", LINES_AND_TEXT)
    return "@media (prefers-color-scheme: dark) { " + " ".join(rules) + " }"


def rules_for(figure: str, part: str, colors: dict[str, str]) -> list[str]:
    used = {light: dark for light, dark in colors.items() if light in figure}
    return [
        f'[style*="{part}: {light}"], [{part}="{light}"] {{ {part}: {dark} !important }}'
        for light, dark in used.items()
    ]
