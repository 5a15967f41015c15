"""What the four numbers of a quaternion are: three answers, and what each of them loses.

The front end takes the logarithm first and the slopes, along time, after. The code released with the paper takes
differences of the power first, and along frequency: many are negative, and have no logarithm. It is rebuilt here as it
is, defects included, so that both can be compared, together with a third that only repeats the log-mel. The defects
are worked out with a pencil; then another implementation on PyTorch, and torchlibrosa and torchaudio themselves where
they are installed, must find the same numbers.
"""

import math
import sys
from importlib import import_module
from types import ModuleType

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from support.front_end_twin import released_energies

from quatnet.audio import COMPONENTS, FrontEnd, deltas, floored_cells, log_mel
from quatnet.audio.components import checked_variant, corrected, released, repeated
from quatnet.datasets import Clip, features, synthetic
from quatnet.errors import ConfigError, ShapeError

FLOOR = {"floor_db": -100.0}
seeds = st.integers(0, 2**32 - 1)


def installed(name):
    """A second opinion."""
    try:
        return import_module(name)
    except ImportError:
        pytest.skip(f"{name} is not installed: no second opinion on the front end")


def torchaudio_slopes(monkeypatch):
    """`compute_deltas` of torchaudio. It is plain Python, and is wanted without the compiled part of the package, which
    does not load where it was built for another PyTorch, with CUDA for example."""
    compiled = ModuleType("torchaudio._extension")
    vars(compiled).update(
        fail_if_no_align=lambda function: function, _IS_TORCHAUDIO_EXT_AVAILABLE=False, _IS_ALIGN_AVAILABLE=False
    )
    monkeypatch.setitem(sys.modules, compiled.__name__, compiled)
    return installed("torchaudio").functional.compute_deltas


def clip(seconds=2.0):
    return synthetic.load(clips_per_class=5, seed=0, clip_seconds=seconds).clips[0].source()[0]  # a dog, synthesized


# With a pencil


def test_a_sound_that_fades_is_a_slope_for_one_and_silence_for_the_other():
    # One bin, 40, 30, 20, 10, 0 dB. Slope in the middle: (1 (10 - 30) + 2 (0 - 40)) / 10 = -10 dB a frame.
    power = 10.0 ** np.arange(4, -1, -1)[:, None]
    assert corrected(power, np.eye(1), **FLOOR)[2, 0, 1] == pytest.approx(-10)
    # Of the power itself along time: (1 (10 - 1000) + 2 (1 - 10000)) / 10 < 0, so its logarithm is the floor.
    assert log_mel(deltas(power), np.eye(1), **FLOOR)[2, 0] == pytest.approx(-100)


def test_released_differences_run_along_frequency():
    # One frame whose power doubles from bin to bin, 1, 2, 4, 8, 16: in the middle (1 (8 - 2) + 2 (16 - 1)) / 10 = 3.6.
    power = 2.0 ** np.arange(5)[None]
    rising, falling = (released(p, np.eye(5), **FLOOR)[0, 2, 1] for p in (power, power[:, ::-1]))
    assert rising == pytest.approx(10 * math.log10(3.6))
    assert falling == pytest.approx(-100)  # the same sizes with a minus: lost


def test_released_differences_know_nothing_of_time():
    frames = np.random.default_rng(0).random((7, 9))
    backwards = released(frames[::-1], np.eye(9), **FLOOR)[::-1]
    np.testing.assert_array_equal(backwards, released(frames, np.eye(9), **FLOOR))
    forwards, turned = (corrected(f, np.eye(9), **FLOOR)[..., 1] for f in (frames, frames[::-1]))
    np.testing.assert_allclose(turned[::-1], -forwards)  # what rose falls


def test_repeated_is_the_log_mel_four_times():
    power = np.random.default_rng(0).random((3, 2))
    four = repeated(power, np.eye(2), **FLOOR)
    np.testing.assert_array_equal(four, np.stack([log_mel(power, np.eye(2))] * 4, axis=-1))


# For any sound


@given(seeds, st.integers(1, 6), st.integers(1, 8))
def test_the_three_agree_on_the_log_mel_and_released_is_its_formula_in_loops(seed, frames, bins):
    power = np.random.default_rng(seed).random((frames, bins))
    found = {name: function(power, np.eye(bins), **FLOOR) for name, function in COMPONENTS.items()}
    for four in found.values():
        np.testing.assert_array_equal(four[..., 0], log_mel(power, np.eye(bins)))
    p = power
    for component in range(4):
        for t, f in np.ndindex(frames, bins):
            level = 10 * math.log10(max(p[t, f], 1e-10))
            if abs(p[t, f]) > 1e-12:  # nearer to 0, the sign is rounding
                assert found["released"][t, f, component] == pytest.approx(level, abs=1e-3)
        ends = [[min(max(f + n, 0), bins - 1) for n in (-2, -1, 1, 2)] for f in range(bins)]
        p = np.array([[(2 * (r[d] - r[a]) + r[c] - r[b]) / 10 for a, b, c, d in ends] for r in p])


@settings(max_examples=10)
@given(seeds, st.sampled_from(sorted(COMPONENTS)))
def test_a_front_end_of_any_variant_gives_the_same_shape(seed, variant):
    front_end = FrontEnd(clip_seconds=0.5, variant=variant)
    x = np.random.default_rng(seed).standard_normal(16000).astype(np.float32)
    y = front_end(x, 32000)
    assert (y.shape, y.dtype) == ((front_end.frames, 64, 4), np.float32)
    np.testing.assert_array_equal(y[..., 0], FrontEnd(clip_seconds=0.5)(x, 32000)[..., 0])


def test_a_run_says_which_front_end_it_has():
    assert "variant='corrected'" in repr(FrontEnd())
    assert "variant='released'" in repr(FrontEnd(variant="released"))


def test_features_of_one_variant_are_never_taken_for_those_of_another(tmp_path):
    clips = [Clip("noise", 0, 1, lambda: (np.random.default_rng(0).standard_normal(8000), 8000), key="noise")]
    fronts = {name: FrontEnd(clip_seconds=0.5, variant=name) for name in COMPONENTS}
    for _ in range(2):  # computed, then read
        kept = {name: features(clips, front, cache=tmp_path)[0] for name, front in fronts.items()}
        for name, front in fronts.items():
            np.testing.assert_array_equal(kept[name], front(*clips[0].source()))


# What is lost


def test_empty_cells_by_hand():
    # Four cells: r at the floor in one of them, i exactly 0 in two, j at the floor in three, k never
    cells = np.array([[-100, 0, -100, 1], [-50, 0, -100, 2], [0, 3, -100, 3], [1, -2, 5, -4]], np.float32)
    np.testing.assert_array_equal(floored_cells(cells, floor_db=-100.0), [1 / 4, 2 / 4, 3 / 4, 0])


def test_silence_is_empty_and_the_released_differences_of_a_sound_nearly_half():
    for variant in COMPONENTS:
        front_end = FrontEnd(clip_seconds=0.5, variant=variant)
        silence = front_end(np.zeros(100, np.float32), 32000)
        np.testing.assert_array_equal(floored_cells(silence, **FLOOR), np.ones(4))
    noise = np.random.default_rng(0).standard_normal(32000).astype(np.float32)
    lost = {v: floored_cells(FrontEnd(clip_seconds=1.0, variant=v)(noise, 32000), **FLOOR) for v in COMPONENTS}
    assert (lost["corrected"] == 0).all()
    assert (lost["repeated"] == 0).all()
    assert lost["released"][0] == 0
    assert (lost["released"][1:] > 0.35).all()  # noise rises as often as it falls


# Mistakes


def test_an_unknown_variant_is_refused_and_the_known_ones_are_named():
    with pytest.raises(ConfigError, match="out of corrected, released, repeated, got 'paper'"):
        FrontEnd(variant="paper")
    assert checked_variant("released") == "released"


@pytest.mark.parametrize("shape", [(4,), (3, 3), (0, 4)])
def test_what_has_no_quaternions_has_no_empty_cells(shape):
    with pytest.raises(ShapeError, match=r"features \(\.\.\., 4\)"):
        floored_cells(np.ones(shape), **FLOOR)


# Second opinions: float32 on both sides, so that a cell far below the loudest of its frame is partly rounding


def rounding_of(sizes):
    """How large an energy must be to be more than the rounding of what it is summed from."""
    return 1e-2 * sizes + 1e-5 * sizes[..., :1].max(axis=1, keepdims=True)


def agree(ours, energies, sizes):
    """The same decibels, wherever an energy is well above rounding."""
    rounding = rounding_of(sizes)
    sure = np.abs(energies) > rounding
    np.testing.assert_allclose(ours[sure], 10 * np.log10(energies.clip(1e-10))[sure], rtol=0, atol=1e-3)
    assert sure.mean(axis=(0, 1)).min() > 0.7
    assert (ours[~sure] <= 10 * np.log10((2 * rounding).clip(1e-10))[~sure]).all()


def torchlibrosa_of_panns():
    """The two layers in front of every network of PANNs."""
    stft = installed("torchlibrosa").stft
    mel = stft.LogmelFilterBank(sr=32000, n_fft=1024, n_mels=64, fmin=50, fmax=14000, amin=1e-10, top_db=None)
    return stft.Spectrogram(n_fft=1024, hop_length=320), mel


def sound(name):
    return clip() if name == "a dog" else 0.1 * np.random.default_rng(0).standard_normal(64000).astype(np.float32)


def agree_in_decibels(ours, theirs):
    """To 1e-3 dB, and to 1e-2 dB in cells more than 60 dB below the loudest of their frame."""
    quiet = theirs < theirs.max(axis=1, keepdims=True) - 60
    assert (np.abs(ours - theirs) <= np.where(quiet, 1e-2, 1e-3)).all()
    assert quiet.mean() < 0.2


@pytest.mark.parity
def test_pytorch_finds_the_released_components(torch):
    installed("librosa")
    ours = FrontEnd(clip_seconds=2.0, variant="released")(clip(), 32000)
    agree(ours, *released_energies(torch, clip()))


@pytest.mark.parity
def test_torchaudio_finds_the_released_components(torch, monkeypatch):
    installed("librosa")
    ours = FrontEnd(clip_seconds=2.0, variant="released")(clip(), 32000)
    agree(ours, *released_energies(torch, clip(), slopes=torchaudio_slopes(monkeypatch)))


@pytest.mark.parity
@pytest.mark.parametrize("name", ["a dog", "noise"])
def test_the_released_front_end_from_torchlibrosa_to_torchaudio(name, torch, monkeypatch):
    """Spectrogram, differences, stacked, log-mel: in the order of the released network's first lines."""
    spectrogram, mel = torchlibrosa_of_panns()
    slopes, x = torchaudio_slopes(monkeypatch), sound(name)
    with torch.no_grad():
        powers = [spectrogram(torch.tensor(x)[None])]  # (1, 1, frames, bins)
        for _ in range(3):
            powers.append(slopes(powers[-1]))
        theirs = mel(torch.cat(powers, dim=1))[0].permute(1, 2, 0).numpy()
    energies, sizes = released_energies(torch, x)
    sure = np.abs(energies) > 3 * rounding_of(sizes)  # of two ways here; below 0 as well, where both are at the floor
    ours = FrontEnd(clip_seconds=2.0, variant="released")(x, 32000)
    np.testing.assert_allclose(ours[sure], theirs[sure], rtol=0, atol=1e-3)
    assert sure.mean(axis=(0, 1)).min() > 0.6
    floored = (theirs < -99.999).mean(axis=(0, 1))
    np.testing.assert_allclose(floored_cells(ours, **FLOOR), floored, atol=0.02)
    assert floored[1:].min() > 0.35


@pytest.mark.parity
@pytest.mark.parametrize("name", ["a dog", "noise"])
def test_torchlibrosa_finds_the_log_mel_of_panns(name, torch):
    spectrogram, mel = torchlibrosa_of_panns()
    with torch.no_grad():
        theirs = mel(spectrogram(torch.tensor(sound(name))[None]))[0, 0].numpy()
    agree_in_decibels(FrontEnd(clip_seconds=2.0)(sound(name), 32000)[..., 0], theirs)


@pytest.mark.parity
def test_pytorch_finds_the_log_mel_of_panns(torch):
    installed("librosa")
    energies = released_energies(torch, clip())[0][..., 0]
    agree_in_decibels(FrontEnd(clip_seconds=2.0)(clip(), 32000)[..., 0], 10 * np.log10(energies.clip(1e-10)))
