"""Groups of clips from one source, and cross-validation folds that keep groups together.

A network that was trained on one part of a recording, or on one speaker, classifies other parts of the recording, or
the same speaker, better than new recordings. All clips of a group are therefore in the same fold.
"""

import hashlib
import os
import re
import unicodedata
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

import numpy as np

from ..checks import checked_count
from ..errors import DataError
from .parallel import map_on_cpu
from .records import listed

CODES = re.compile(
    r"[0-9]-([0-9]+)-[A-Z]-[0-9]+"  # ESC-50: source recording
    r"|(?:[0-9]{2}-){6}([0-9]{2})"  # RAVDESS: actor
    r"|([0-9]{4})_[A-Z]{3}_[A-Z]{3}_[A-Z]{2}"  # CREMA-D: actor
    r"|([0-9]{2})[a-z][0-9]{2}[WLEAFTN][a-z]"  # EmoDB: speaker
    r"|([0-9a-f]{8})_nohash_[0-9]+"  # Speech Commands: speaker
    r"|[0-9]+__(.+?)__.+"  # Freesound: user
    r"|([0-9]{3,})-[0-9]-[0-9]+-[0-9]+"  # UrbanSound8K: source recording
    r"|(.+)[_-][0-9]{8}_[0-9]{6}.*"  # field recorders: site, date, time
)
RUNNING_NUMBER = re.compile(
    r"(.+?)[ _.(-]+(?:seg|segment|part|chunk|clip)?[ _.-]*[0-9]+(?:\.[0-9]+)?s?\)?", re.IGNORECASE
)
TIME_RANGE = re.compile(r"(.+?)[ _-]+([0-9]+(?:\.[0-9]+)?)s?[ _-]+([0-9]+(?:\.[0-9]+)?)s?")  # rec_0.0s_5.0s, rec 0-5
ATTEMPTS, MAX_SHARE = 20, 1.5
SOURCES = "speakers, sites or sources in the file names"
PARTS = {"test": 0, "val": 1, "train": 3}  # order of the folds; 2 for other parts
PART_NAMES = {
    "test": "test", "testing": "test", "eval": "test", "evaluation": "test",
    "val": "val", "valid": "val", "validation": "val", "dev": "val",
    "train": "train", "training": "train",
}  # fmt: skip


def fold_numbers(values: Sequence[str]) -> list[int]:
    """Return the fold numbers of the values of a fold column, or of the names of fold folders.

    Numbers, also with a prefix such as `fold3`, are kept. Of the parts test and val, the first one that exists is fold
    1. Other values are numbered in the order of their code points, and train has the last number.

    >>> fold_numbers(["train", "val", "train"]), fold_numbers(["fold2", "10"])
    ([2, 1, 2], [2, 10])
    """
    numbers = [re.fullmatch(r"(?:(?:fold|split)[ _-]*)?([0-9]{1,9})(?:\.0)?", value, re.IGNORECASE) for value in values]
    if all(numbers):
        return [int(match[1]) for match in numbers if match]
    parts = [PART_NAMES.get(value.lower(), value) for value in values]
    order = sorted(set(parts), key=lambda part: (PARTS.get(part, 2), part))
    return [1 + order.index(part) for part in parts]


def guess_groups(paths: Sequence[Path], classes: Sequence[Sequence[int]]) -> tuple[list[str], str, list[int]]:
    """Return a group for each recording, derived from its file name, the rule in words, and classes of one source.

    If most names follow a known pattern (ESC-50, UrbanSound8K, RAVDESS, CREMA-D, EmoDB, Speech Commands, Freesound,
    field recorders), the group is the speaker, user, site or source recording in the name, provided that each class has
    at least two groups. Otherwise, recordings whose names differ only by a running number at the end, such as `rec1`,
    `rec1_001` and `rec1_002`, or by the start and end of parts of equal length, such as `rec1_0_5` and `rec1_5_10`, are
    one group, unless the group would contain more than half of a class. In this case,
    each recording is a group. Files that differ only by their suffix are one recording.

    The classes of one source are the indices of the classes with only one speaker, user, site or source, because of
    which these groups are not used. The list is empty if there is no such class.

    Parameters
    ----------
    paths : N audio files
    classes : indices of the classes of each file
    """
    stems = [unicodedata.normalize("NFC", path.stem) for path in paths]
    single = list[int]()
    codes = [next(filter(None, match.groups())) if (match := CODES.fullmatch(stem)) else "" for stem in stems]
    parts = _names_before_times(stems)
    bases = [parts.get(stem) or ((m := RUNNING_NUMBER.fullmatch(stem)) and m[1]) or "" for stem in stems]
    known = {*bases}
    bases = [base or (stem if stem in known else "") for base, stem in zip(bases, stems, strict=True)]
    names = names_of(path.with_suffix("") for path in paths)  # a file in two formats is one recording
    if sum(map(bool, codes)) > len(codes) / 2:
        groups = [code or base or name for code, base, name in zip(codes, bases, names, strict=True)]
        single = sorted(index for index, n in groups_by_class(groups, classes).items() if index >= 0 and len(n) < 2)
        if not single:
            return groups, SOURCES, []
    by_class = groups_by_class(bases, classes).values()
    too_large = {base for counts in by_class for base, count in counts.items() if count > counts.total() / 2} - {""}
    groups = [base if base and base not in too_large else name for base, name in zip(bases, names, strict=True)]
    rule = "file names without running number"
    if too_large:
        rule += f", except for more than half of a class: {listed(sorted(too_large))}"
    return groups, rule, single


def _names_before_times(stems: Sequence[str]) -> dict[str, str]:
    """Return the name of the recording for each stem that ends with the start and the end of a part.

    More than half of the parts of a recording have one length, and no two have one start. Two other numbers, such as a
    speaker and a repetition, do not have these properties.
    """
    times = defaultdict[str, dict[str, tuple[float, float]]](dict)
    for match in filter(None, map(TIME_RANGE.fullmatch, stems)):
        times[match[1]][match[0]] = float(match[2]), float(match[3])
    found = dict[str, str]()
    for name, spans in times.items():
        lengths = Counter(round(end - start, 3) for start, end in spans.values())
        distinct = len({start for start, _ in spans.values()}) == len(spans)
        if distinct and min(lengths) > 0 and 2 * max(lengths.values()) > max(len(spans), 2):
            found |= dict.fromkeys(spans, name)
    return found


def names_of(paths: Iterable[Path]) -> list[str]:
    """Return the paths below the common folder, so that the folds do not depend on where the recordings are."""
    absolute = [os.path.abspath(path) for path in paths]
    try:
        folder = os.path.commonpath([os.path.dirname(path) for path in absolute])
    except ValueError:  # no paths, or several drives of Windows
        return absolute
    return [unicodedata.normalize("NFC", Path(os.path.relpath(path, folder)).as_posix()) for path in absolute]


def groups_by_class(groups: Sequence[str], classes: Sequence[Sequence[int]]) -> dict[int, Counter[str]]:
    """Return the number of clips of each class and group. The class -1 are the clips without a class."""
    counts: dict[int, Counter[str]] = defaultdict(Counter)
    for group, indices in zip(groups, classes, strict=True):
        for index in indices or (-1,):
            counts[index][group] += 1
    return counts


def join_equal_files(groups: Sequence[str], paths: Sequence[Path]) -> tuple[list[str], dict[Path, str]]:
    """Return the groups after groups with equal files are united, and a digest of each file that has an equal file."""
    copies = dict.fromkeys(paths, "")
    for digest in (_size, _digest_of_middle, _digest):  # the slower ones only for the files that are still equal
        values = list(map_on_cpu(digest, list(copies)))
        counts = Counter(values)
        copies = {path: value for path, value in zip(copies, values, strict=True) if counts[value] > 1}
    merged: dict[str, str] = {}
    first: dict[str, str] = {}
    for group, path in zip(groups, paths, strict=True):
        group = _final(group, merged)
        other = _final(first.setdefault(copies[path], group), merged) if path in copies else group
        if other != group:
            merged[group] = other
    return [_final(group, merged) for group in groups], copies


def _final(group: str, merged: Mapping[str, str]) -> str:
    while group in merged:
        group = merged[group]
    return group


def _size(path: Path) -> str:
    return str(path.stat().st_size)


def _digest_of_middle(path: Path) -> str:
    with path.open("rb") as file:
        file.seek(path.stat().st_size // 2)
        return hashlib.blake2b(file.read(1 << 14)).hexdigest()


def _digest(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "blake2b").hexdigest()


def stratified_folds(
    groups: Sequence[str], classes: Sequence[Sequence[int]], *, folds: int = 5, seed: int = 0
) -> list[int]:
    """Return the fold of each clip, from 1, so that groups are kept together and each fold has its share of each class.

    Classes are processed from the fewest groups to the most. The groups of a class, in random order, are put into the
    fold that has the fewest clips of the class. Fold 1 is the default test fold. Both fold 1 and the other folds should
    contain each class with at least two groups, and fold 1 should have at most `MAX_SHARE` times its share of the
    clips. If these conditions are not met, folds are exchanged, and up to `ATTEMPTS` random orders are tried.

    Parameters
    ----------
    groups : group of each of N clips
    classes : indices of the classes of each clip; clips without a class are stratified like a class
    folds : number of folds
    seed : seed of the order of the groups; equal arguments give equal folds

    Source: K. Sechidis and others, On the stratification of multi-label data, 2011 (iterative stratification).
    """
    by_class, sizes = groups_by_class(groups, classes), Counter(groups)
    folds = min(checked_count("folds", folds), len(sizes) + 1)  # further folds would be empty
    rng, best = np.random.default_rng(seed), dict[str, int]()
    least = (len(by_class) + 1, False)
    for _ in range(ATTEMPTS if folds > 1 else 1):
        fold_of = _assign(by_class, sizes, rng.permutation(sorted(sizes)).tolist(), folds)
        cost, test = min((_test_cost(fold_of, fold, by_class, sizes, folds), fold) for fold in range(folds))
        if cost < least:
            least, best = cost, {group: {0: test, test: 0}.get(fold, fold) for group, fold in fold_of.items()}
        if least == (0, False):
            break
    return [1 + best[group] for group in groups]


def _test_cost(
    fold_of: Mapping[str, int], test: int, by_class: Mapping[int, Counter[str]], sizes: Mapping[str, int], folds: int
) -> tuple[int, bool]:
    """Return the number of classes that are only in the test or only in the training, and whether the test is large."""
    tested = {group for group, fold in fold_of.items() if fold == test}
    one_sided = sum(len(counts) > 1 and len(counts.keys() & tested) in (0, len(counts)) for counts in by_class.values())
    return one_sided, sum(map(sizes.__getitem__, tested)) > MAX_SHARE * sum(sizes.values()) / folds


def _assign(
    by_class: Mapping[int, Counter[str]], sizes: Mapping[str, int], order: Sequence[str], folds: int
) -> dict[str, int]:
    """Return the fold of each group, from 0. See `stratified_folds`."""
    fold_of, totals = dict[str, int](), [0] * folds
    for _, counts in sorted(by_class.items(), key=lambda item: (len(item[1]), item[0])):
        here = [sum(count for group, count in counts.items() if fold_of.get(group) == fold) for fold in range(folds)]
        rare = len(counts) < folds
        for group in sorted((group for group in order if group in counts), key=counts.__getitem__, reverse=not rare):
            if group not in fold_of:
                fold = min(range(folds), key=lambda fold: (here[fold], 0 if rare else totals[fold], fold))
                fold_of[group] = fold
                here[fold] += counts[group]
                totals[fold] += sizes[group]
    return fold_of


def groups_in_two_folds(groups: Sequence[str], folds: Sequence[int]) -> list[str]:
    """Return the groups that have clips in several folds."""
    counts = Counter(group for group, _ in set(zip(groups, folds, strict=True)))
    return sorted(group for group, count in counts.items() if count > 1)


def option_groups(option: str, paths: Sequence[Path], names: Sequence[str]) -> list[str]:
    """Return the groups by the option "parent" (name of the folder of a file), or by a regular expression.

    The group of a file is the first bracket of the expression that matches, or the complete match, in the path from
    `names`.

    Raises
    ------
    DataError
        The expression is not valid, or is not found in a path.
    """
    if option == "parent":
        return [os.path.realpath(path.parent) for path in paths]
    text = f"group={option!r} is neither 'parent' nor a column"
    try:
        pattern = unicodedata.normalize("NFC", option)
        found = [re.search(pattern, unicodedata.normalize("NFC", name)) for name in names]
    except (re.error, TypeError) as error:
        raise DataError(f"{text}, nor a regular expression ({error})") from None
    if None in found:
        place = names[found.index(None)]
        raise DataError(f"{text}, and as a regular expression it is not in {place}; correct the option")
    return [next((text for text in match.groups() if text is not None), match[0]) for match in found if match]
