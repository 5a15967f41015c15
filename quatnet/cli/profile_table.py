"""The figures of a network as lines of text."""

from typing import Any

COLUMNS = {  # figure: its title, what it is divided by, its decimals
    "parameters": ("parameters", 1, 0),
    "multiplications_16": ("mult. 16 (M)", 1e6, 1),
    "multiplications_8": ("mult. 8 (M)", 1e6, 1),
    "multiplications_winograd": ("Winograd (M)", 1e6, 1),
    "additions_16": ("add. 16 (M)", 1e6, 1),
    "additions_8": ("add. 8 (M)", 1e6, 1),
    "activation_bytes": ("maps (MB)", 1e6, 2),
    "milliseconds": ("ms", 1, 2),
}


def table(facts: dict[str, Any]) -> str:
    """Return a title, a line for each layer and for the network, and the sums as they are published."""
    columns = {key: column for key, column in COLUMNS.items() if key in facts}
    rows = [["layer", *(title for title, _, _ in columns.values())]]
    for layer in [*facts["layers"], {"name": "network", **facts}]:
        figures = ((layer[key] / unit, digits) for key, (_, unit, digits) in columns.items())
        rows.append([layer["name"], *(f"{value:,.{digits}f}" for value, digits in figures)])
    sizes = [max(map(len, column)) for column in zip(*rows, strict=True)]
    lines = ["  ".join([row[0].ljust(sizes[0]), *map(str.rjust, row[1:], sizes[1:])]) for row in rows]
    return "\n".join([_title(facts), "", *lines, "", *_sums(facts)])


def _title(facts: dict[str, Any]) -> str:
    cut = f", {facts['prune']:.0%} of the filters of its later half cut" if facts["prune"] else ""
    clip = f"{facts['clip_seconds']:g} s ({facts['frames']} frames, {facts['mels']} mels)"
    return f"{facts['network']}{cut}: one clip of {clip}, {facts['classes']} classes"


def _sums(facts: dict[str, Any]) -> list[str]:
    giga = {key: f"{value / 1e9:.3f} G" for key, value in facts.items() if isinstance(value, int)}
    lines = [
        f"{facts['parameters']:,} parameters",
        f"{giga['multiplications_16']} real multiplications with 16 for a quaternion product, "
        f"{giga['multiplications_8']} with 8, {giga['multiplications_winograd']} by the forms that quatnet takes",
        f"{facts['torchinfo_mult_adds'] / 1e9:.2f} G is what torchinfo would say, with the spectrogram; "
        "its rule is wrong for quaternion layers",
    ]
    if "milliseconds" in facts:
        compiled = f", {facts['milliseconds_compiled']:.1f} ms compiled" if "milliseconds_compiled" in facts else ""
        lines.append(
            f"{facts['milliseconds']:.1f} ms{compiled}, {facts['threads']} threads; each layer was timed alone"
        )
    return lines
