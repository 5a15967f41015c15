"""ONNX nodes of the audio front end: spectrogram, mel filterbank and delta features."""

import math
from typing import Any

from ..audio import FrontEnd
from ..audio.spectrogram import hann
from ..errors import ConfigError
from .nodes import Batch, Shape


def add(builder: Any, waveform: str, frontend: FrontEnd, shape: Shape) -> str:
    """Add the nodes from a waveform (N, samples) to features (N, frames, mels, 4), and return the name of the features.

    Raises ConfigError if the network has another input `shape`, or if the front end is a subclass with other features.
    """
    if type(frontend).components is not FrontEnd.components:
        raise ConfigError(f"no ONNX export of {type(frontend).__name__}, which computes other features than FrontEnd")
    if shape != (Batch(), frontend.frames, frontend.mels, 4):
        raise ConfigError(
            f"expected a FrontEnd whose features have the input shape of the network, {shape[1:]}, got "
            f"{type(frontend).__name__} with {(frontend.frames, frontend.mels, 4)}"
        )
    log_mel = _log_mel(builder, waveform, frontend)
    components = [log_mel] * 4
    if frontend.variant == "delta":
        for n in range(3):
            components[n + 1] = _deltas(builder, components[n], frontend.frames)
    axis = builder.integers(-1)
    return builder.node("Concat", *(builder.node("Unsqueeze", part, axis) for part in components), axis=-1)


def _log_mel(builder: Any, waveform: str, frontend: FrontEnd) -> str:
    """Add the log-mel spectrogram in dB, (N, frames, mels)."""
    half, hop = frontend.window // 2, builder.constant(frontend.hop, "int64")
    padded = builder.node("Pad", waveform, builder.integers(0, half, 0, half), mode="reflect")
    spectrum = builder.node("STFT", padded, hop, builder.constant(hann(frontend.window)), onesided=1)
    power = builder.node("ReduceSum", builder.node("Mul", spectrum, spectrum), builder.integers(-1), keepdims=0)
    mel = builder.node("MatMul", power, builder.constant(frontend.filterbank()))
    floored = builder.node("Max", mel, builder.constant(10 ** (frontend.floor_db / 10)))
    return builder.node("Mul", builder.node("Log", floored), builder.constant(10 / math.log(10)))


def _deltas(builder: Any, features: str, frames: int) -> str:
    """Add the delta features of (N, frames, mels) along time, see `audio.spectrogram.deltas`."""
    padded = builder.node("Pad", features, builder.integers(0, 2, 0, 0, 2, 0), mode="edge")

    def shifted(start: int) -> str:
        ends = builder.integers(start + frames)
        return builder.node("Slice", padded, builder.integers(start), ends, builder.integers(1))

    near = builder.node("Sub", shifted(3), shifted(1))
    far = builder.node("Mul", builder.node("Sub", shifted(4), shifted(0)), builder.constant(2))
    return builder.node("Div", builder.node("Add", near, far), builder.constant(10))
