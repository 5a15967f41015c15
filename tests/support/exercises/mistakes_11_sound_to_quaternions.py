"""Exercise 11: a plain solution, typical mistakes and hints."""

import numpy as np


def hz_to_mel(hz):
    hz = np.asarray(hz, dtype=float)
    return np.where(hz < 1000, 3 * hz / 200, 15 + 27 * np.log(np.maximum(hz, 1000) / 1000) / np.log(6.4))


def mel_filters(bins_hz, edges_hz):
    left, center, right = edges_hz[:-2], edges_hz[1:-1], edges_hz[2:]
    bins = bins_hz[:, None]
    rising, falling = (bins - left) / (center - left), (right - bins) / (right - center)
    return np.maximum(np.minimum(rising, falling), 0) * 2 / (right - left)


def log_mel(power, filterbank, floor_db):
    energies = power @ filterbank
    return 10 * np.log10(np.maximum(energies, 10 ** (floor_db / 10)))


def deltas(features):
    c = np.concatenate([features[:1], features[:1], features, features[-1:], features[-1:]])
    return (c[3:-1] - c[1:-3] + 2 * (c[4:] - c[:-4])) / 10


def quaternion_features(levels):
    components = [levels]
    for _ in range(3):
        components.append(deltas(components[-1]))
    return np.stack(components, axis=-1)


MISTAKES = [
    ("this is the HTK scale, 2595 log10(1 + hz / 700); expected Slaney's scale", "return np.where(hz < 1000, 3 * hz / 200, 15 + 27 * np.log(np.maximum(hz, 1000) / 1000) / np.log(6.4))", "return 2595 * np.log10(1 + hz / 700)"),
    ("the scale is linear above 1000 Hz too; expected a logarithm", "15 + 27 * np.log(np.maximum(hz, 1000) / 1000) / np.log(6.4)", "3 * hz / 200"),
    ("the 15 mel at 1000 Hz are missing above 1000 Hz", "15 + 27 * np.log", "27 * np.log"),
    ("the logarithm is not divided by log(6.4)", "/ 1000) / np.log(6.4)", "/ 1000)"),
    ("the logarithm has the base 10 and is not divided by log10(6.4)", "np.log(np.maximum(hz, 1000) / 1000) / np.log(6.4)", "np.log10(np.maximum(hz, 1000) / 1000)"),
    ("the peak of the filters is 1; expected the area 1, a peak of 2 / (right - left)", " * 2 / (right - left)", ""),
    ("the factor 2 is missing: the area of a triangle is half of the width times the height", " * 2 / (right - left)", " / (right - left)"),
    ("the negative values outside of the triangle are not set to 0", "np.maximum(np.minimum(rising, falling), 0)", "np.minimum(rising, falling)"),
    ("the larger of the two slopes is used; expected the smaller one", "np.minimum(rising, falling)", "np.maximum(rising, falling)"),
    ("the falling slope is divided by the width of the rising one", "(right - bins) / (right - center)", "(right - bins) / (center - left)"),
    ("the filters are rectangular: 1 between the edges", "np.maximum(np.minimum(rising, falling), 0)", "(np.minimum(rising, falling) > 0)"),
    ("the factor is 20, for amplitudes; a power has the factor 10", "10 * np.log10", "20 * np.log10"),
    ("this is the natural logarithm; expected 10 log10", "10 * np.log10(", "np.log("),
    ("the floor is missing: the logarithm of 0 is -infinity", "np.maximum(energies, 10 ** (floor_db / 10))", "energies"),
    ("the floor is added to the energies; expected the maximum of both", "np.maximum(energies, 10 ** (floor_db / 10))", "energies + 10 ** (floor_db / 10)"),
    ("the logarithm is taken before the filters; expected the logarithm of the filtered power", "return 10 * np.log10(np.maximum(energies, 10 ** (floor_db / 10)))", "return np.maximum(10 * np.log10(np.maximum(power, 1e-30)) @ filterbank, floor_db)"),
    ("the deltas have the wrong sign: later minus earlier frames", "(c[3:-1] - c[1:-3] + 2 * (c[4:] - c[:-4])) / 10", "-(c[3:-1] - c[1:-3] + 2 * (c[4:] - c[:-4])) / 10"),
    ("the frames at distance 2 have the weight 2 in the sum", "2 * (c[4:] - c[:-4])", "(c[4:] - c[:-4])"),
    ("the sum is divided by 5; expected 10 = 2 (1² + 2²)", "c[:-4])) / 10", "c[:-4])) / 5"),
    ("the frames outside of the array are 0; expected the first and the last frame", "np.concatenate([features[:1], features[:1], features, features[-1:], features[-1:]])", "np.concatenate([0 * features[:1], 0 * features[:1], features, 0 * features[-1:], 0 * features[-1:]])"),
    ("the frames wrap around at the ends; expected the first and the last frame", "np.concatenate([features[:1], features[:1], features, features[-1:], features[-1:]])", "np.concatenate([features, features, features, features, features])[2 * len(features) - 2 : 3 * len(features) + 2]"),
    ("the deltas are along the mel axis; expected the time axis", "c = np.concatenate([features[:1], features[:1], features, features[-1:], features[-1:]])\n    return (c[3:-1] - c[1:-3] + 2 * (c[4:] - c[:-4])) / 10", "c = np.concatenate([features.T[:1], features.T[:1], features.T, features.T[-1:], features.T[-1:]])\n    return (c[3:-1] - c[1:-3] + 2 * (c[4:] - c[:-4])).T / 10"),
    ("the components are the first axis; expected the last axis", "axis=-1)", "axis=0)"),
    ("all deltas are those of the levels; j is the delta of i, and k of j", "deltas(components[-1])", "deltas(levels)"),
    ("all four components are the levels", "deltas(components[-1])", "levels"),
]  # fmt: skip

HINTS = {
    "hz_to_mel": ["np.where(hz < 1000, ..., ...) computes both formulas; np.maximum(hz, 1000) avoids log(0)"],
    "mel_filters": [
        "left, center, right = edges_hz[:-2], edges_hz[1:-1], edges_hz[2:], each with one entry for each filter",
        "with bins = bins_hz[:, None], the slopes are (bins - left) / (center - left) and (right - bins) / (right - "
        "center)",
        "the triangle is the smaller of both, but at least 0; multiply it by 2 / (right - left)",
    ],
    "log_mel": ["np.maximum(energies, 10 ** (floor_db / 10)) before the logarithm"],
    "deltas": [
        "repeat the first and the last frame twice, with np.pad(..., mode='edge') or np.concatenate",
        "in the padded array c, the frames t + 1 are c[3:-1], t - 1 are c[1:-3], t + 2 are c[4:], t - 2 are c[:-4]",
    ],
    "quaternion_features": ["call deltas three times, each time on the last result, and use np.stack(..., axis=-1)"],
}
