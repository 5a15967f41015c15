"""Fault-filtered split of GTZAN without repeated, distorted or mislabeled recordings.

All clips of an artist are in the same part. The third part, for validation, is not used. The clip numbers are those of
the lists in torchaudio:

    part     list in torchaudio    clips
    TRAIN    train_filtered          443
    TEST     test_filtered           290

Source: C. Kereliuk, B. L. Sturm, J. Larsen, Deep learning and music adversaries, 2015 (split). B. L. Sturm, The state
of the art ten years after a state of the art, 2013 (faults).
"""

from collections.abc import Iterator, Mapping

TRAIN = {
    "blues": "29-49 73-97",
    "classical": "30-33 43-48 50-67 80-99",
    "country": "19-26 28-29 65-99",
    "disco": "5 15-20 22-37 39-45 47 49 53-54 56-57 59 61 70 73-74 89",
    "hiphop": "2-25 28-29 31-38 41-42 55-61 77-80",
    "jazz": "0-1 11-24 41 47-72",
    "metal": "2-3 5 21 24 35 46-57 59-66 69 71-72 79-80 84 86 89-99",
    "pop": "2-9 11-12 16-20 23-29 31-36 38-42 44 46 49-50 80 97-99",
    "reggae": "0-2 4 6 9 11-12 14-32 42-45 49-51 54-60 63 69",
    "rock": "0-9 16-26 57-70 91-99",
}
TEST = {
    "blues": "12-28 61-72 98-99",
    "classical": "11-29 34-41 49 77-79",
    "country": "30-40 43-44 46-48 50-51 53-64",
    "disco": "1 21 58 62-66 69 76-88 91-94 96-97 99",
    "hiphop": "0 26-27 30 40 43-45 51-54 62-75 99",
    "jazz": "73-99",
    "metal": "12-15 22-23 25-33 38-39 67 70 73-75 78 83 85 87-88",
    "pop": "0-1 13-14 43 63-66 69-79 82 88-96",
    "reggae": "34-40 46-48 52-53 64-68 71 79 82-84 87-90",
    "rock": "10-15 27-37 39-48 86-90",
}


def clip_numbers(part: Mapping[str, str]) -> Iterator[tuple[str, int]]:
    """Yield the genre and the number of each clip of TRAIN or TEST.

    >>> list(clip_numbers({"jazz": "0-2 41"}))
    [('jazz', 0), ('jazz', 1), ('jazz', 2), ('jazz', 41)]
    """
    for genre, ranges in part.items():
        for text in ranges.split():
            first, _, last = text.partition("-")
            yield from ((genre, number) for number in range(int(first), int(last or first) + 1))
