"""Test that random networks are compiled, saved, loaded, pruned and exported with equal outputs."""

from importlib.util import find_spec

import numpy as np
import pytest
from hypothesis import given, settings
from support.random_networks import networks

import quatnet
from quatnet import graph, prune
from quatnet.backend import on_gpu
from quatnet.errors import ConfigError

pytestmark = pytest.mark.skipif(on_gpu(), reason="many small networks")


def assert_equal_outputs(found, expected, tolerance):
    assert np.abs(found - expected).max() <= tolerance * np.abs(expected).max() + 1e-6


@settings(max_examples=40, deadline=None)
@given(network=networks())
def test_compile_save_and_load(network, tmp_path_factory):
    model, x = network
    expected, path = model(x).data, tmp_path_factory.mktemp("graph") / "net.npz"
    assert_equal_outputs(quatnet.compile(model, x)(x).data, expected, 1e-5)
    graph.save(graph.trace(model, x), path)
    assert (graph.load(path)(x).data == expected).all()


@pytest.mark.skipif(not (find_spec("onnx") and find_spec("onnxruntime")), reason="needs onnx and onnxruntime")
@settings(max_examples=40, deadline=None)
@given(network=networks())
def test_prune_and_export(network, tmp_path_factory):
    import onnxruntime

    model, x = network
    try:
        model = prune.prune_filters(model, prune.select(model, 0.5, example=x))
    except ConfigError:  # a slice of a concatenation would be empty
        return
    path = tmp_path_factory.mktemp("graph") / "net.onnx"
    graph.to_onnx(model, path)
    (found,) = onnxruntime.InferenceSession(path).run(None, {"input": x})
    assert_equal_outputs(found, model(x).data, 1e-4)
