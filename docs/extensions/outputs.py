"""The outputs that the comments of a code block quote: after a `print`, or in the lines below it."""

import re

AFTER_PRINT = re.compile(r"^(.*print\(.*\))  # ((?:[^A-Za-z'\n]|True|False|'[^'\n]*')*)$", re.MULTILINE)
BELOW_PRINT = re.compile(r"^(.*print\(.*\n)((?:# .*\n)+)", re.MULTILINE)


def without_outputs(code: str) -> str:
    """Return `code` without the quoted outputs, for a notebook, whose cells show their own."""
    return AFTER_PRINT.sub(r"\1", BELOW_PRINT.sub(r"\1", code))


def quoted_outputs(code: str) -> list[str]:
    """Return the quoted outputs of `code`."""
    below = [re.sub("^# ", "", text, flags=re.MULTILINE) for _, text in BELOW_PRINT.findall(code)]
    return [text for _, text in AFTER_PRINT.findall(code)] + below
