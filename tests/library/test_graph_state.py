"""Test the arrays of a traced network: copies, buffers, frozen parameters, and networks that change."""

import copy
import pickle
from collections import namedtuple
from contextlib import nullcontext

import numpy as np
import pytest
from support.arrays import draw

from quatnet import Tensor, compile, graph, nn, ops, prune
from quatnet.backend import asnumpy, on_gpu
from quatnet.errors import ConfigError

X = draw(0, 4, 3, dtype=np.float32)


@pytest.mark.parametrize("duplicate", [copy.deepcopy, lambda m: pickle.loads(pickle.dumps(m))])
def test_copy_of_a_graph_module_is_independent_and_complete(duplicate, tmp_path):
    original = graph.GraphModule(graph.trace(nn.Sequential(nn.BatchNorm(3)), X))
    before, module = original.state_dict(), duplicate(original)
    module(X, train=True)
    state = module.state_dict()
    assert (state["layers.0.running_mean"] != 0).all()
    assert all((array == before[name]).all() for name, array in original.state_dict().items())
    graph.save(module, tmp_path / "net.npz")
    original.load_state_dict(state)
    expected = module(X).data
    assert (graph.load(tmp_path / "net.npz")(X).data == expected).all()
    assert (original(X).data == expected).all()
    module.load_state_dict(before)
    assert not (module(X).data == expected).all()


def test_frozen_parameters_stay_frozen(tmp_path):
    module = graph.GraphModule(graph.trace(nn.Linear(3, 2, rng=np.random.default_rng(0)), X))
    module.values["weight"].requires_grad = False
    graph.save(module, tmp_path / "net.npz")
    assert [name for name, _ in graph.load(tmp_path / "net.npz").named_parameters()] == ["bias"]
    module.values["weight"].requires_grad = True
    assert len(list(graph.GraphModule(module.current_graph()).parameters())) == 2


class Scaled(nn.Module):
    """Network with plain arrays as attributes."""

    def __init__(self, use, dtype):
        self.shift, self.w = draw(1, 3, dtype=dtype), draw(2, 3, 3, dtype=dtype)
        self.use = use

    def __call__(self, x):
        return self.use(self, Tensor(x))


USES = {
    "sub": lambda s, x: x - s.shift,
    "rsub": lambda s, x: s.shift - x,
    "add": lambda s, x: s.shift + x,
    "mul": lambda s, x: x * s.shift,
    "div": lambda s, x: x / s.shift,
    "matmul": lambda s, x: x @ s.w,
    "linear": lambda s, x: ops.linear(x, s.w, s.shift),
    "layer norm": lambda s, x: ops.layer_norm(x, weight=s.shift, bias=s.shift),
    "concatenate": lambda s, x: x @ ops.concatenate([s.w, Tensor(np.eye(3, dtype=np.float32))]),
}
SAME_DTYPE = {
    "tensor": lambda s, x: ops.relu(Tensor(s.shift)) + x,
    "rdiv": lambda s, x: s.shift / x,
    "rmatmul": lambda s, x: s.w @ (x @ s.w).reshape(-1, 3, 1),
}
CASES = [(name, dtype) for name in USES for dtype in ("f4", "f8")] + [(name, "f4") for name in SAME_DTYPE]


@pytest.mark.skipif(on_gpu(), reason="arrays of NumPy are no buffers of a module on a GPU")
@pytest.mark.parametrize(("name", "dtype"), CASES)
def test_array_of_a_module_is_a_buffer_under_its_name(name, dtype):
    model = Scaled((USES | SAME_DTYPE)[name], dtype)
    module, compiled = graph.GraphModule(graph.trace(model, X)), compile(model, X)
    assert module.state_dict().keys() <= {"shift", "w"}
    assert module.state_dict()
    new = {key: array + 1 for key, array in model.state_dict().items()}
    model.load_state_dict(new)
    module.load_state_dict({key: new[key] for key in module.state_dict()})
    expected = model(X).data
    assert module(X).data.dtype == expected.dtype
    assert (module(X).data == expected).all()
    np.testing.assert_allclose(asnumpy(compiled(X).data), asnumpy(expected), rtol=1e-6)


@pytest.mark.parametrize("dtype", ["f8", "i8"])
@pytest.mark.parametrize("name", ["rdiv", "rmatmul"])
def test_array_of_another_dtype_as_left_operand_is_refused(name, dtype):
    model = Scaled(SAME_DTYPE[name], "f8")
    model.shift, model.w = model.shift.astype(dtype), model.w.astype(dtype)
    with pytest.raises(ConfigError, match=r"expected an array of dtype float32, got (float|int)64; convert"):
        graph.trace(model, X)


class Options(nn.Module):
    def __init__(self):
        self.net = nn.Sequential(nn.BatchNorm(3), nn.Dropout(0.5))

    def __call__(self, x, **options):
        return self.net(x, **options)


def test_train_and_rng_are_passed_to_keyword_options():
    model = Options()
    module = graph.GraphModule(graph.trace(model, X))
    results = [m(X, train=True, rng=np.random.default_rng(0)).data for m in (model, module)]
    assert (results[0] == results[1]).all()
    assert not (results[0] == module(X).data).all()


class Names(nn.Module):
    def __init__(self, *names):
        self.__dict__ |= {name: Tensor(draw(n, 3), requires_grad=True) for n, name in enumerate(names)}

    def __call__(self, x):
        product = Tensor(x) * 2.0
        for tensor in vars(self).values():
            product = product * tensor + Tensor(np.ones(3))
        return product


@pytest.mark.parametrize("names", [["input"], ["constant_0", "input", "input_"], ["mul", "add", "mul_1"]])
def test_names_of_parameters_do_not_collide(names):
    model = Names(*names)
    module = graph.GraphModule(graph.trace(model, X))
    assert (module(X).data == model(X).data).all()
    assert module.state_dict().keys() == set(names)


class Counter(nn.Module):
    def __init__(self):
        self.seen, self.calls, self.weight = np.zeros(1), np.zeros(1), Tensor(np.ones(3, "f4"), requires_grad=True)
        self.raises = False

    def __call__(self, x, *, train=False):
        self.seen = self.seen + len(x)
        self.calls += 1
        self.weight.data = self.weight.data + 1
        if self.raises:
            raise KeyError
        return Tensor(x) * 2.0


@pytest.mark.skipif(on_gpu(), reason="arrays of NumPy are no buffers of a module on a GPU")
@pytest.mark.parametrize("raises", [False, True])
def test_trace_restores_all_arrays(raises):
    model = Counter()
    model.raises = raises
    with pytest.raises(KeyError) if raises else nullcontext():
        graph.trace(model, X)
    assert (model.seen, model.calls) == (0, 0)
    assert (model.weight.data == 1).all()


Pair = namedtuple("Pair", "a b")


@pytest.mark.parametrize("outputs", [lambda x: {1: x}, lambda x: [Pair(x, x)]], ids=["integer key", "named tuple"])
def test_outputs_that_a_file_does_not_keep_are_refused(outputs):
    with pytest.raises(ConfigError, match="plain lists and tuples, and dicts with string keys"):
        graph.trace(lambda x: outputs(ops.relu(x)), X)


def conv_net(seed, channels=4):
    rng = np.random.default_rng(seed)
    first = nn.Conv2d(1, channels, rng=rng)
    return nn.Sequential(first, nn.ReLU(), nn.Flatten(), nn.Linear(6 * channels, 2, rng=rng))


def test_selection_of_another_network():
    a, b, x = conv_net(0), conv_net(1), draw(0, 2, 3, 2, 1, dtype=np.float32)
    keep = prune.select(a, 0.5, example=x)
    expected = prune.mask_filters(b, keep)(x).data
    for options in ({}, {"example": x}):
        np.testing.assert_allclose(
            asnumpy(prune.prune_filters(b, keep, **options)(x).data), asnumpy(expected), atol=1e-6
        )
    for other in (conv_net(0, 8), nn.Sequential(nn.Flatten(), nn.Linear(6, 2, rng=np.random.default_rng(0)))):
        with pytest.raises(ConfigError, match="keep is the selection of another network"):
            prune.prune_filters(other, keep)
    with pytest.raises(ConfigError):
        prune.prune_filters(other, keep, example=x)


def test_compiled_network_whose_layers_are_replaced():
    model = nn.Sequential(nn.Linear(3, 3, rng=np.random.default_rng(0)), nn.ReLU())
    compiled = [compile(model, X), compile(model.__call__, X)]

    def check():
        for network in compiled:
            np.testing.assert_allclose(asnumpy(network(X).data), asnumpy(model(X).data), rtol=1e-5, atol=1e-6)

    model.load_state_dict({name: array + 1 for name, array in model.state_dict().items()})
    check()
    model.layers[0] = nn.Linear(3, 3, rng=np.random.default_rng(1))
    check()
    model.layers[1] = Options()
    check()
    model.layers.append(nn.Sequential())
    check()
    model.layers[2].layers.append(nn.Linear(3, 3, rng=np.random.default_rng(2)))  # into an empty list
    check()
    del model.layers[1]
    check()
    model.layers[0].weight = Tensor(np.ones((3, 3), np.float32), requires_grad=True)
    check()
    runner = compiled[0].prepare((X,))
    assert compiled[0].prepare((X,)) is runner
