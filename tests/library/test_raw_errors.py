"""Wrong arguments raise one clear error, before an epoch of training or a large allocation."""

import numpy as np
import pytest
import soundfile

from quatnet import audio, models, ops, quaternion, training
from quatnet.backend import on_gpu
from quatnet.errors import ConfigError, QuatnetError, ShapeError

CLIPS = np.zeros((4, 8, 8, 4), np.float32)
TARGETS = np.eye(2, dtype=np.float32)[[0, 1, 0, 1]]


def network() -> models.Network:
    config = models.CNNConfig(2, False, ((2,),), embedding=4, mels=8)
    return models.build(config, rng=np.random.default_rng(0))


def fit(**options) -> None:
    training.fit(network(), training.DataLoader(CLIPS, TARGETS), **{"epochs": 1} | options)


@pytest.mark.parametrize("score", [None, "0.5", np.zeros(2)])
def test_evaluate_returns_a_number(tmp_path, score) -> None:
    def evaluate(model):
        return score if path.exists() else 0.5

    path = tmp_path / "model.npz"
    with pytest.raises(ConfigError, match="expected evaluate to return a number"):
        fit(epochs=2, evaluate=evaluate, checkpoint=path)
    assert training.checkpoint.read(path)[0]["training"]["progress"]["epoch"] == 1


@pytest.mark.parametrize("options", [{"metadata": [1]}, {"checkpoint": 3}, {"checkpoint": ""}, {"epochs": True}])
def test_invalid_options_of_fit(options) -> None:
    with pytest.raises(ConfigError, match=r"metadata|path|epochs"):
        fit(**options)


def test_invalid_arrays() -> None:
    with pytest.raises(ShapeError, match="got generator"):
        training.predict(network(), (clip for clip in CLIPS))
    with pytest.raises(ShapeError, match="without NaN"):
        training.DataLoader(CLIPS, TARGETS * np.float32(np.nan))
    with pytest.raises(ShapeError, match="MaskedArray"):
        audio.FrontEnd()(np.ma.masked_array(np.zeros(100), False), 32000)


CALLS = {
    "padding": lambda: ops.conv2d(np.zeros((1, 4, 4, 2)), np.zeros((3, 3, 2, 4)), padding=10**9),
    "padding_1d": lambda: ops.conv1d(np.zeros((1, 4, 2)), np.zeros((3, 2, 4)), padding=10**18),
    "stride": lambda: ops.conv_transpose2d(np.zeros((1, 4, 4, 2)), np.zeros((3, 3, 4, 2)), stride=10**9),
    "no filters": lambda: ops.conv2d(np.zeros((1, 4, 4, 2)), np.zeros((3, 3, 2, 0))),
    "no channels": lambda: ops.conv2d(np.zeros((1, 4, 4, 0)), np.zeros((3, 3, 0, 2))),
    "no quaternion filters": lambda: ops.quaternion_conv2d(np.zeros((1, 4, 4, 8)), np.zeros((4, 3, 3, 2, 0))),
    "rng": lambda: ops.dropout(np.zeros(3), 0.5, rng=3, train=True),
    "clip": lambda: audio.FrontEnd(clip_seconds=1e12),
}


@pytest.mark.parametrize("name", CALLS)
def test_invalid_arguments(name: str) -> None:
    with pytest.raises(QuatnetError):
        CALLS[name]()


def test_start_seconds_as_text(tmp_path) -> None:
    soundfile.write(tmp_path / "a.wav", np.full(8000, 0.1), 8000)
    with pytest.raises(ConfigError, match="start_seconds='1'"):
        audio.read(tmp_path / "a.wav", start_seconds="1")


@pytest.mark.skipif(on_gpu(), reason="CuPy has no longdouble")
def test_mean_rotation_with_longdouble_weights() -> None:
    q = np.random.default_rng(0).standard_normal((3, 4))
    mean = quaternion.mean_rotation(q, np.ones(3, np.longdouble))
    np.testing.assert_allclose(mean, quaternion.mean_rotation(q))
