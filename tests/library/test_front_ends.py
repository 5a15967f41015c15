"""Tests of the front-end variants and of the front end in the paper's released code.

`FrontEnd` takes the logarithm first and computes deltas along time. The released code computes differences of the power
along frequency before the logarithm. Many differences are negative, have no logarithm and are replaced by the floor.
`PaperCodeFrontEnd` reproduces these defects for comparison. The variant "repeat" repeats the log-mel spectrogram. The
defects are shown on worked examples. The features are compared with a separate implementation in PyTorch, and with
torchlibrosa and torchaudio if these packages are installed.
"""

import math
import sys
from importlib import import_module
from types import ModuleType

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from support.paper_front_end import released_energies

from quatnet.audio import FrontEnd, deltas, floored_cell_fractions, log_mel
from quatnet.audio.components import VARIANTS, delta_components, repeat_components
from quatnet.datasets import Clip, features, synthetic
from quatnet.errors import ConfigError, ShapeError
from quatnet.paper_code import PaperCodeFrontEnd
from quatnet.paper_code.front_end import paper_code_components

FLOOR = {"floor_db": -100.0}
COMPONENTS = VARIANTS | {"paper_code": paper_code_components}
seeds = st.integers(0, 2**32 - 1)


def front_end_of(variant, **settings):
    return PaperCodeFrontEnd(**settings) if variant == "paper_code" else FrontEnd(variant=variant, **settings)


def import_or_skip(name):
    try:
        return import_module(name)
    except ImportError:
        pytest.skip(f"{name} is not installed")


def torchaudio_deltas(monkeypatch):
    """Return `compute_deltas` of torchaudio, imported without the compiled part of the package.

    The function is plain Python. The compiled part cannot be loaded with another build of PyTorch, for example with
    CUDA.
    """
    compiled = ModuleType("torchaudio._extension")
    vars(compiled).update(
        fail_if_no_align=lambda function: function, _IS_TORCHAUDIO_EXT_AVAILABLE=False, _IS_ALIGN_AVAILABLE=False
    )
    monkeypatch.setitem(sys.modules, compiled.__name__, compiled)
    return import_or_skip("torchaudio").functional.compute_deltas


def clip(seconds=2.0):
    # the first clip is a synthesized dog
    return synthetic.load(clips_per_class=5, seed=0, clip_seconds=seconds).clips[0].source()[0]


# Worked examples


def test_negative_differences_are_kept_by_deltas_and_lost_by_paper_code():
    # The mel bin has 40, 30, 20, 10 and 0 dB. The delta in the middle is (1 (10 - 30) + 2 (0 - 40)) / 10 = -10 dB.
    power = 10.0 ** np.arange(4, -1, -1)[:, None]
    assert delta_components(power, np.eye(1), **FLOOR)[2, 0, 1] == pytest.approx(-10)
    # The delta of the power along time is (1 (10 - 1000) + 2 (1 - 10000)) / 10 < 0. The log-mel value is at the floor.
    assert log_mel(deltas(power), np.eye(1), **FLOOR)[2, 0] == pytest.approx(-100)


def test_paper_code_differences_along_frequency():
    # The frame has the power 1, 2, 4, 8, 16. The difference in the middle is (1 (8 - 2) + 2 (16 - 1)) / 10 = 3.6.
    power = 2.0 ** np.arange(5)[None]
    rising, falling = (paper_code_components(p, np.eye(5), **FLOOR)[0, 2, 1] for p in (power, power[:, ::-1]))
    assert rising == pytest.approx(10 * math.log10(3.6))
    assert falling == pytest.approx(-100)  # the difference is -3.6 and has no logarithm


def test_paper_code_differences_do_not_depend_on_frame_order():
    frames = np.random.default_rng(0).random((7, 9))
    backwards = paper_code_components(frames[::-1], np.eye(9), **FLOOR)[::-1]
    np.testing.assert_array_equal(backwards, paper_code_components(frames, np.eye(9), **FLOOR))
    forwards, reversed_ = (delta_components(f, np.eye(9), **FLOOR)[..., 1] for f in (frames, frames[::-1]))
    np.testing.assert_allclose(reversed_[::-1], -forwards)


def test_repeat_components():
    power = np.random.default_rng(0).random((3, 2))
    components = repeat_components(power, np.eye(2), **FLOOR)
    np.testing.assert_array_equal(components, np.stack([log_mel(power, np.eye(2))] * 4, axis=-1))


# Properties


@given(seeds, st.integers(1, 6), st.integers(1, 8))
def test_components_match_log_mel_and_paper_code_matches_loops(seed, frames, bins):
    power = np.random.default_rng(seed).random((frames, bins))
    results = {name: function(power, np.eye(bins), **FLOOR) for name, function in COMPONENTS.items()}
    for result in results.values():
        np.testing.assert_array_equal(result[..., 0], log_mel(power, np.eye(bins)))
    p = power
    for component in range(4):
        for t, f in np.ndindex(frames, bins):
            level = 10 * math.log10(max(p[t, f], 1e-10))
            if abs(p[t, f]) > 1e-12:  # for values closer to 0, the sign depends on rounding
                assert results["paper_code"][t, f, component] == pytest.approx(level, abs=1e-3)
        ends = [[min(max(f + n, 0), bins - 1) for n in (-2, -1, 1, 2)] for f in range(bins)]
        p = np.array([[(2 * (r[d] - r[a]) + r[c] - r[b]) / 10 for a, b, c, d in ends] for r in p])


@settings(max_examples=10)
@given(seeds, st.sampled_from(sorted(COMPONENTS)))
def test_shape_dtype_and_log_mel_of_each_variant(seed, variant):
    front_end = front_end_of(variant, clip_seconds=0.5)
    x = np.random.default_rng(seed).standard_normal(16000).astype(np.float32)
    y = front_end(x, 32000)
    assert (y.shape, y.dtype) == ((front_end.frames, 64, 4), np.float32)
    np.testing.assert_array_equal(y[..., 0], FrontEnd(clip_seconds=0.5)(x, 32000)[..., 0])


def test_repr_contains_variant():
    assert "variant='delta'" in repr(FrontEnd())
    assert "variant='repeat'" in repr(FrontEnd(variant="repeat"))
    assert "variant='paper_code'" in repr(PaperCodeFrontEnd())


def test_feature_cache_distinguishes_variants(tmp_path):
    clips = [Clip("noise", 0, 1, lambda: (np.random.default_rng(0).standard_normal(8000), 8000), key="noise")]
    front_ends = {name: front_end_of(name, clip_seconds=0.5) for name in COMPONENTS}
    for _ in range(2):  # the features are first computed and then read from the cache
        cached = {name: features(clips, front_end, cache=tmp_path)[0] for name, front_end in front_ends.items()}
        for name, front_end in front_ends.items():
            np.testing.assert_array_equal(cached[name], front_end(*clips[0].source()))


class LoudFrontEnd(FrontEnd):
    def components(self, power):
        return super().components(10 * power)


def test_feature_cache_distinguishes_subclasses(tmp_path):
    clips = [Clip("noise", 0, 1, lambda: (np.random.default_rng(0).standard_normal(8000), 8000), key="noise")]
    plain, loud = (features(clips, make(clip_seconds=0.5), cache=tmp_path) for make in (FrontEnd, LoudFrontEnd))
    np.testing.assert_allclose(loud[..., 0], plain[..., 0] + 10, atol=1e-4)


# Floored cells


def test_floored_cells_worked_example():
    # In the four cells, r is at the floor once, i is 0 twice, j is at the floor three times, and k is never floored.
    cells = np.array([[-100, 0, -100, 1], [-50, 0, -100, 2], [0, 3, -100, 3], [1, -2, 5, -4]], np.float32)
    np.testing.assert_array_equal(floored_cell_fractions(cells, floor_db=-100.0), [1 / 4, 2 / 4, 3 / 4, 0])


def test_floored_cells_of_silence_and_noise():
    for variant in COMPONENTS:
        front_end = front_end_of(variant, clip_seconds=0.5)
        silence = front_end(np.zeros(100, np.float32), 32000)
        np.testing.assert_array_equal(floored_cell_fractions(silence, **FLOOR), np.ones(4))
    noise = np.random.default_rng(0).standard_normal(32000).astype(np.float32)
    floored = {v: floored_cell_fractions(front_end_of(v, clip_seconds=1.0)(noise, 32000), **FLOOR) for v in COMPONENTS}
    assert (floored["delta"] == 0).all()
    assert (floored["repeat"] == 0).all()
    assert floored["paper_code"][0] == 0
    assert (floored["paper_code"][1:] > 0.35).all()  # about half of the differences of noise are negative


# Errors


def test_unknown_variant_error_lists_variants():
    with pytest.raises(ConfigError, match="one of delta, repeat, got 'paper'"):
        FrontEnd(variant="paper")
    with pytest.raises(ConfigError, match="one of paper_code, got 'delta'"):
        PaperCodeFrontEnd(variant="delta")
    assert FrontEnd(variant="repeat").variant == "repeat"


@pytest.mark.parametrize("shape", [(4,), (3, 3), (0, 4)])
def test_floored_cells_rejects_invalid_shapes(shape):
    with pytest.raises(ShapeError, match=r"features \(\.\.\., 4\)"):
        floored_cell_fractions(np.ones(shape), **FLOOR)


# Reference implementations in float32, with rounding errors in cells far below the loudest cell of the frame


def rounding_error(sizes):
    """Return an upper bound of the rounding error of an energy. `sizes` are the absolute values of the summands."""
    return 1e-2 * sizes + 1e-5 * sizes[..., :1].max(axis=1, keepdims=True)


def assert_levels_match(actual, energies, sizes):
    """Assert that levels in dB agree where the energy is larger than its rounding error."""
    error = rounding_error(sizes)
    reliable = np.abs(energies) > error
    np.testing.assert_allclose(actual[reliable], 10 * np.log10(energies.clip(1e-10))[reliable], rtol=0, atol=1e-3)
    assert reliable.mean(axis=(0, 1)).min() > 0.7
    assert (actual[~reliable] <= 10 * np.log10((2 * error).clip(1e-10))[~reliable]).all()


def panns_layers():
    """Return the spectrogram and log-mel layers of PANNs, built with torchlibrosa."""
    stft = import_or_skip("torchlibrosa").stft
    mel = stft.LogmelFilterBank(sr=32000, n_fft=1024, n_mels=64, fmin=50, fmax=14000, amin=1e-10, top_db=None)
    return stft.Spectrogram(n_fft=1024, hop_length=320), mel


def sound(name):
    return clip() if name == "a dog" else 0.1 * np.random.default_rng(0).standard_normal(64000).astype(np.float32)


def assert_log_mel_matches(actual, expected):
    """Assert that levels agree within 1e-3 dB.

    The tolerance is 1e-2 dB in cells more than 60 dB below the loudest cell of their frame.
    """
    quiet = expected < expected.max(axis=1, keepdims=True) - 60
    assert (np.abs(actual - expected) <= np.where(quiet, 1e-2, 1e-3)).all()
    assert quiet.mean() < 0.2


@pytest.mark.parity
def test_paper_code_matches_pytorch(torch):
    import_or_skip("librosa")
    actual = PaperCodeFrontEnd(clip_seconds=2.0)(clip(), 32000)
    assert_levels_match(actual, *released_energies(torch, clip()))


@pytest.mark.parity
def test_paper_code_matches_torchaudio_deltas(torch, monkeypatch):
    import_or_skip("librosa")
    actual = PaperCodeFrontEnd(clip_seconds=2.0)(clip(), 32000)
    assert_levels_match(actual, *released_energies(torch, clip(), deltas=torchaudio_deltas(monkeypatch)))


@pytest.mark.parity
@pytest.mark.parametrize("name", ["a dog", "noise"])
def test_paper_code_matches_torchlibrosa_and_torchaudio(name, torch, monkeypatch):
    """Test the released steps with torchlibrosa: spectrogram, differences, stack, log-mel."""
    spectrogram, mel = panns_layers()
    compute_deltas, x = torchaudio_deltas(monkeypatch), sound(name)
    with torch.no_grad():
        powers = [spectrogram(torch.tensor(x)[None])]  # the shape is (1, 1, frames, bins)
        for _ in range(3):
            powers.append(compute_deltas(powers[-1]))
        expected = mel(torch.cat(powers, dim=1))[0].permute(1, 2, 0).numpy()
    energies, sizes = released_energies(torch, x)
    reliable = np.abs(energies) > 3 * rounding_error(sizes)  # for negative energies, both results are at the floor
    actual = PaperCodeFrontEnd(clip_seconds=2.0)(x, 32000)
    np.testing.assert_allclose(actual[reliable], expected[reliable], rtol=0, atol=1e-3)
    assert reliable.mean(axis=(0, 1)).min() > 0.6
    floored = (expected < -99.999).mean(axis=(0, 1))
    np.testing.assert_allclose(floored_cell_fractions(actual, **FLOOR), floored, atol=0.02)
    assert floored[1:].min() > 0.35


@pytest.mark.parity
@pytest.mark.parametrize("name", ["a dog", "noise"])
def test_log_mel_matches_torchlibrosa(name, torch):
    spectrogram, mel = panns_layers()
    with torch.no_grad():
        expected = mel(spectrogram(torch.tensor(sound(name))[None]))[0, 0].numpy()
    assert_log_mel_matches(FrontEnd(clip_seconds=2.0)(sound(name), 32000)[..., 0], expected)


@pytest.mark.parity
def test_log_mel_matches_pytorch(torch):
    import_or_skip("librosa")
    energies = released_energies(torch, clip())[0][..., 0]
    assert_log_mel_matches(FrontEnd(clip_seconds=2.0)(clip(), 32000)[..., 0], 10 * np.log10(energies.clip(1e-10)))
