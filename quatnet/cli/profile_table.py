"""Text table of the costs of a network."""

from typing import Any

COLUMNS = {  # key of a cost -> column title, divisor, number of decimals
    "parameters": ("parameters", 1, 0),
    "multiplications_16": ("mult. 16 (M)", 1e6, 1),
    "multiplications_8": ("mult. 8 (M)", 1e6, 1),
    "multiplications_winograd": ("Winograd (M)", 1e6, 1),
    "additions_16": ("add. 16 (M)", 1e6, 1),
    "additions_8": ("add. 8 (M)", 1e6, 1),
    "activation_bytes": ("activations (MB)", 1e6, 2),
    "milliseconds": ("ms", 1, 2),
}


def table(profile: dict[str, Any]) -> str:
    """Return a text with a title, a table of the layers and the network, and a summary."""
    columns = {key: column for key, column in COLUMNS.items() if key in profile}
    rows = [["layer", *(title for title, _, _ in columns.values())]]
    for layer in [*profile["layers"], {"name": "network", **profile}]:
        values = ((layer[key] / unit, decimals) for key, (_, unit, decimals) in columns.items())
        rows.append([layer["name"], *(f"{value:,.{decimals}f}" for value, decimals in values)])
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    lines = ["  ".join([row[0].ljust(widths[0]), *map(str.rjust, row[1:], widths[1:])]) for row in rows]
    return "\n".join([_title(profile), "", *lines, "", *_summary(profile)])


def _title(profile: dict[str, Any]) -> str:
    pruned = f", {profile['prune']:.0%} of the filters in the second half pruned" if profile["prune"] else ""
    clip = f"{profile['clip_seconds']:g} s ({profile['frames']} frames, {profile['mels']} mels)"
    return f"{profile['network']}{pruned}: one clip of {clip}, {profile['classes']} classes"


def _summary(profile: dict[str, Any]) -> list[str]:
    giga = {key: f"{value / 1e9:.3f} G" for key, value in profile.items() if isinstance(value, int)}
    lines = [
        f"{profile['parameters']:,} parameters",
        f"{giga['multiplications_16']} real multiplications with 16 for a quaternion product, "
        f"{giga['multiplications_8']} with 8, {giga['multiplications_winograd']} with the algorithms that quatnet uses",
        f"{profile['torchinfo_mult_adds'] / 1e9:.2f} G multiply-adds counted by torchinfo, including the spectrogram; "
        "its formula is wrong for quaternion layers",
    ]
    if "milliseconds" in profile:
        compiled = f", {profile['milliseconds_compiled']:.1f} ms compiled" if "milliseconds_compiled" in profile else ""
        lines.append(
            f"{profile['milliseconds']:.1f} ms{compiled}, {profile['threads']} threads; each layer was timed separately"
        )
    return lines
