"""Test optimizers, ops, networks, batches and data sets of users."""

import sys
import warnings
from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest

from quatnet import Classifier, Tensor, audio, datasets, gradcheck, graph, nn, ops, optim, prune, training
from quatnet.autodiff import op
from quatnet.autodiff.op import OPS
from quatnet.backend import asnumpy, xp
from quatnet.datasets.windows import split_clip
from quatnet.errors import CheckpointError, ConfigError, DataError, ShapeError
from quatnet.graph import labels
from quatnet.graph.count import LAYERS, count, table

X = np.random.default_rng(0).standard_normal((12, 4)).astype(np.float32)
TARGETS = np.eye(2, dtype=np.float32)[np.arange(12) % 2]


def trainer(batches: Callable, model: nn.Module | None = None, **options) -> training.Trainer:
    model = model or nn.Linear(4, 2, rng=np.random.default_rng(0))
    defaults = {"epochs": 1, "steps_per_epoch": 2, "schedule": lambda step: 0.1}
    optimizer = options.pop("optimizer", optim.SGD)(model.parameters())
    return training.Trainer(model, batches, optimizer, **(defaults | options))


def halves(rng: np.random.Generator):
    return [(X[:6], TARGETS[:6]), (X[6:], TARGETS[6:])]


# Batches, schedules and augmentations


@pytest.mark.parametrize(
    ("batches", "error", "message"),
    [
        (lambda rng: [(X[:6], TARGETS)] * 2, ShapeError, r"inputs \(6, 4\) and targets \(12, 2\)"),
        (lambda rng: [(X[:6], TARGETS[:3])] * 2, ShapeError, "one target for each input"),
        (lambda rng: [(X[:6], 1.0)] * 2, ShapeError, r"targets \(\)"),
        (lambda rng: None, ConfigError, "got NoneType"),
        (lambda rng: [None], ConfigError, r"expected batches \(x, targets\), got a NoneType"),
        (lambda rng: [{"x": X, "targets": TARGETS}], ConfigError, "got a dict"),
        (lambda rng: [(X,)], ConfigError, "got a tuple of 1"),
        (lambda rng: [X], ConfigError, "got an array"),
    ],
)
def test_invalid_batches(batches: Callable, error: type, message: str) -> None:
    with pytest.raises(error, match=message):
        trainer(batches).run()


@pytest.mark.parametrize("result", [None, "0.1", [0.1]])
def test_schedule_that_returns_no_number(result: object) -> None:
    with pytest.raises(ConfigError, match="expected schedule to return a number"):
        trainer(halves, schedule=lambda step: result).run()


def test_schedule_that_returns_an_array() -> None:
    runs = [trainer(halves, schedule=lambda step, kind=kind: kind(0.5)) for kind in (float, np.float32, np.array)]
    weights = [asnumpy((run.run(), run.model.weight.data)[1]) for run in runs]
    assert all((weight == weights[0]).all() for weight in weights)


@pytest.mark.parametrize("augment", [3, lambda x: x])
def test_augmentation_that_cannot_be_called(augment: object) -> None:
    with pytest.raises(ConfigError, match=r"augment\(x, targets, rng\)|augment to be a function"):
        training.DataLoader(X, TARGETS, augment=augment)


def test_augmentation_that_drops_clips() -> None:
    loader = training.DataLoader(X, TARGETS, batch_size=6, augment=lambda x, targets, rng: (x[:3], targets))
    with pytest.raises(ShapeError, match="one target for each input"):
        trainer(loader).run()


class Block(nn.Module):
    """Network that passes `train` on to its batch norm, or not."""

    def __init__(self, passes_train: bool, affine: bool = True) -> None:
        self.layers = nn.Sequential(nn.BatchNorm(4, affine=affine), nn.Linear(4, 2, rng=np.random.default_rng(0)))
        self.passes_train = passes_train

    def __call__(self, x: Tensor, *, train: bool = False, rng: np.random.Generator | None = None) -> Tensor:
        return self.layers(Tensor(x), train=train, rng=rng) if self.passes_train else self.layers(Tensor(x))


def test_warning_of_batch_norms_without_train() -> None:
    with pytest.warns(UserWarning, match="1 of the batch norms used running statistics"):
        trainer(halves, Block(passes_train=False)).run()
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        trainer(halves, Block(passes_train=True)).run()
        trainer(halves, Block(passes_train=False, affine=False)).run()  # frozen


# Optimizers


class InPlace(optim.Optimizer):
    """SGD whose update is a state array."""

    state_names = ("velocity",)

    def __init__(self, params, lr: float = 0.1, *, mode: str | None = "plain") -> None:
        super().__init__(params, lr)
        self.mode = mode

    def _compute_update(self, ndim, p, grad, *state):
        (velocity,) = state
        velocity *= 0.9
        velocity += grad
        return velocity


class Gradient(optim.Optimizer):
    def _compute_update(self, ndim, p, grad, *state):
        return grad


def test_update_that_is_a_state_array() -> None:
    weights = [Tensor(np.array([1.0, -2.0]), requires_grad=True) for _ in range(2)]
    optimizers = InPlace([weights[0]]), optim.SGD([weights[1]], momentum=0.9)
    for _ in range(3):
        for weight, optimizer in zip(weights, optimizers, strict=True):
            weight.grad = weight.data * 2
            optimizer.step(lr=0.1)
    assert (weights[0].data == weights[1].data).all()


def test_update_that_is_the_gradient() -> None:
    weight = Tensor(np.array([1.0, -2.0]), requires_grad=True)
    weight.grad = xp.asarray([3.0, 4.0])
    Gradient([weight]).step(lr=0.5)
    assert asnumpy(weight.grad).tolist() == [3.0, 4.0]
    assert asnumpy(weight.data).tolist() == [-0.5, -4.0]


def test_resume_needs_equal_options_of_all_types(tmp_path) -> None:
    def run(mode, *, resume: bool) -> None:
        path = tmp_path / "checkpoint.npz"
        made = trainer(halves, optimizer=lambda params: InPlace(params, mode=mode), path=path)
        if resume:
            made.load()
        made.run()
        made.save()

    run("sign", resume=False)
    for mode in ("plain", None):
        with pytest.raises(CheckpointError, match="comes from another run"):
            run(mode, resume=True)
    run("sign", resume=True)


def test_options_in_the_settings_of_an_optimizer() -> None:
    weight = Tensor(np.ones(2), requires_grad=True)
    assert InPlace([weight], mode=None).settings() == {"class": "InPlace", "weight_decay": 0.0, "mode": None}
    assert optim.Adam([weight], amsgrad=True).settings() == {
        "class": "Adam", "weight_decay": 0.0, "betas": (0.9, 0.999), "eps": 1e-8, "amsgrad": True
    }  # fmt: skip


def test_optimizer_without_an_update() -> None:
    weight = Tensor(np.ones(2), requires_grad=True)
    weight.grad = xp.ones(2)
    with pytest.raises(NotImplementedError, match="define _compute_update"):
        optim.Optimizer([weight]).step()


def test_parameter_groups() -> None:
    with pytest.raises(ConfigError, match="one optimizer for each group"):
        optim.Adam([{"params": [Tensor(np.ones(2), requires_grad=True)]}])


# Ops


@op
def greater_of(x: Tensor, y: Tensor) -> Tensor:
    first = x.data >= y.data
    return Tensor.from_op(xp.maximum(x.data, y.data), (x, y), lambda grad: (grad * first, grad * ~first))


@op
def low_rank(x: Tensor, w: Tensor) -> Tensor:
    return Tensor.from_op(x.data @ w.data, (x, w), lambda grad: (grad @ w.data.T, x.data.T @ grad))


@op
def triple(x: Tensor) -> Tensor:
    return Tensor.from_op(x.data * 3, (x,), lambda grad: (grad * 3,))


class Two(nn.Module):
    """Two linear layers and an op of both."""

    def __init__(self) -> None:
        rng = np.random.default_rng(0)
        self.a, self.b, self.c = (nn.Linear(*sizes, rng=rng) for sizes in ((4, 6), (4, 6), (6, 2)))

    def __call__(self, x: Tensor, *, train: bool = False, rng: np.random.Generator | None = None) -> Tensor:
        return self.c(greater_of(self.a(x), self.b(x)))


def test_op_of_two_tensors_in_the_line_of_ops_of_one_is_not_pruned(monkeypatch) -> None:
    monkeypatch.setitem(labels.RULES, "greater_of", labels._same)
    groups = graph.channel_groups(graph.trace(Two(), X))
    assert list(groups) == []
    assert groups.fixed["a.weight"] == groups.fixed["b.weight"] == "greater_of of several tensors (greater_of.1)"


def test_op_of_two_tensors_in_the_line_of_arithmetic_is_pruned(monkeypatch) -> None:
    monkeypatch.setitem(labels.RULES, "greater_of", labels._arithmetic)
    traced = graph.trace(Two(), X)
    groups = graph.channel_groups(traced)
    keep = {group.name: np.arange(3) for group in groups}
    pruned = graph.GraphModule(graph.prune_graph(groups, keep))
    masked = graph.GraphModule(replace(traced, arrays=graph.mask_graph(groups, keep)))
    assert len(groups) == 1
    np.testing.assert_allclose(asnumpy(pruned(X).data), asnumpy(masked(X).data), atol=1e-6)


class AfterUnknown(nn.Module):
    """Layers after an op without a rule for pruning."""

    def __init__(self) -> None:
        rng = np.random.default_rng(0)
        self.a, self.b, self.c = nn.Linear(4, 6, rng=rng), nn.Linear(6, 8, rng=rng), nn.Linear(8, 2, rng=rng)

    def __call__(self, x: Tensor, *, train: bool = False, rng: np.random.Generator | None = None) -> Tensor:
        return self.c(ops.relu(self.b(triple(self.a(x)))))


def test_reason_of_layers_after_an_op_without_a_rule() -> None:
    groups = graph.channel_groups(graph.trace(AfterUnknown(), X))
    assert groups.fixed["a.weight"] == "triple (triple.1)"
    assert [group.size for group in groups] == [8]  # the layer after it can be pruned


class Unknown(nn.Module):
    """Convolutions after an op without a rule, flattened before the classifier."""

    def __init__(self, channels: int = 4) -> None:
        rng = np.random.default_rng(0)
        self.conv, self.depthwise = nn.Conv2d(4, channels, rng=rng), nn.Conv2d(channels, channels, groups=4, rng=rng)
        self.last, self.classifier = nn.Conv2d(channels, 6, rng=rng), nn.Linear(6 * 15, 2, rng=rng)

    def __call__(self, x: Tensor, *, train: bool = False, rng: np.random.Generator | None = None) -> Tensor:
        y = self.last(self.depthwise(triple(self.conv(x))))
        return self.classifier(ops.reshape(y, (y.shape[0], -1)))


def test_reason_of_a_depthwise_layer_after_an_op_without_a_rule() -> None:
    groups = graph.channel_groups(graph.trace(Unknown(), np.zeros((2, 5, 3, 4), np.float32)))
    assert {name: groups.fixed[name] for name in ("conv.weight", "depthwise.weight")} == {
        "conv.weight": "triple (triple.1)",
        "depthwise.weight": "triple (triple.1)",
    }
    assert [group.size for group in groups] == [6]


def test_count_of_an_op_of_a_user(monkeypatch) -> None:
    weight = nn.parameter(np.ones((4, 3), np.float32))
    traced = graph.trace(lambda x: low_rank(x, weight), X)
    assert "note: the multiplications of low_rank are not counted; add it to LAYERS" in table(traced)
    monkeypatch.setattr(sys.modules["quatnet.graph.count"], "LAYERS", (*LAYERS, "low_rank"))
    cost = count(traced)
    assert (cost.multiplications_16, cost.multiplications_8) == (12, 12)
    assert "note" not in table(traced)


def test_no_note_of_ops_of_quatnet() -> None:
    assert "note" not in table(graph.trace(Block(passes_train=True), X))


def test_model_with_an_op_that_is_not_imported(tmp_path, monkeypatch) -> None:
    frontend = audio.FrontEnd(clip_seconds=1.0, mels=8, hop=3200)
    network = nn.Sequential(nn.Flatten(), nn.Linear(11 * 8 * 4, 2, rng=np.random.default_rng(0)))
    Classifier(lambda x: triple(network(x)), frontend, ["a", "b"]).save(tmp_path / "model.npz")
    graph.save(graph.trace(lambda x: triple(x), X), tmp_path / "graph.npz")
    assert Classifier.load(tmp_path / "model.npz").classes == ("a", "b")
    monkeypatch.delitem(OPS, "triple")
    for load, name in ((Classifier.load, "model.npz"), (graph.load, "graph.npz")):
        with pytest.raises(CheckpointError, match="import the module that defines 'triple'") as error:
            load(tmp_path / name)
        assert "damaged" not in str(error.value)
        assert "not a valid" not in str(error.value)


@pytest.mark.parametrize("result", [lambda grad: None, lambda grad: grad * 2, lambda grad: (grad, grad)])
def test_backward_that_returns_no_tuple(result: Callable) -> None:
    x = Tensor(np.ones(3), requires_grad=True)
    with pytest.raises(ShapeError, match=r"expected a tuple of 1 gradients.*return \(grad,\); got"):
        Tensor.from_op(x.data * 2, (x,), result).sum().backward()


def test_gradcheck_of_an_array() -> None:
    with pytest.raises(ShapeError, match="expected a list of arrays, one for each argument, got ndarray"):
        gradcheck(triple, np.ones((3, 2)), rng=np.random.default_rng(0))


# Networks


def layers(rng: int = 0) -> nn.Sequential:
    rng = np.random.default_rng(rng)
    return nn.Sequential(nn.Linear(4, 6, rng=rng), nn.ReLU(), nn.Linear(6, 2, rng=rng))


@pytest.mark.parametrize("layer", [ops.relu, lambda x: x])
def test_layer_that_does_not_accept_train(layer: Callable) -> None:
    with pytest.raises(ConfigError, match="expected layers that are called as layer"):
        nn.Sequential(layer)
    assert len(nn.Sequential(nn.ReLU(), nn.Flatten(), Two(), lambda x, **options: x)) == 4


@pytest.mark.parametrize("x", [X.astype(np.float64), X.tolist(), np.ones((3, 4), int), X])
def test_inputs_of_a_graph_have_the_dtype_of_the_weights(x: object) -> None:
    model = layers()
    expected = model(x)
    traced = graph.GraphModule(graph.trace(model, x))
    for network in (traced, graph.compile(model), graph.compile(model, x), graph.compile(traced)):
        result = network(x)
        assert result.data.dtype == np.float32
        np.testing.assert_allclose(asnumpy(result.data), asnumpy(expected.data), rtol=1e-5)
    assert traced(Tensor(X.astype(np.float64))).data.dtype == np.float64  # a tensor keeps its dtype


@pytest.mark.parametrize("at_select", [False, True])
def test_pruned_network_is_frozen_as_the_network(at_select: bool) -> None:
    model = layers()
    model.layers[0].requires_grad_(not at_select)
    keep = prune.select(model, 0.5, example=X)
    model.layers[0].requires_grad_(at_select)
    expected = [name for name, _ in model.named_parameters()]
    assert [name for name, _ in prune.prune_filters(model, keep).named_parameters()] == expected


def test_new_head_of_a_shared_or_computed_weight() -> None:
    tied, rng = nn.Linear(4, 4, rng=np.random.default_rng(0)), np.random.default_rng(0)
    twice = nn.parameter(np.ones((4, 2), np.float32))
    for model in (nn.Sequential(tied, nn.ReLU(), tied), lambda x: ops.linear(x, twice * 2)):
        with pytest.raises(ConfigError, match="which is shared or a result"):
            training.with_new_head(graph.GraphModule(graph.trace(model, X)), 4, rng=rng)
    with pytest.raises(ConfigError, match="classes must be an integer"):
        training.with_new_head(graph.GraphModule(graph.trace(layers(), X)), "5", rng=rng)


def run_again(path, epochs: int = 2, **options) -> training.Trainer:
    made = trainer(halves, layers(), path=path, epochs=epochs, **options)
    if path.exists():
        made.load()
    made.run()
    return made


def test_graph_of_a_checkpoint_is_kept_without_a_step(tmp_path) -> None:
    path, options = tmp_path / "checkpoint.npz", {"evaluate": lambda model: 0.5, "keep_best": True}
    first = run_again(path, **options)
    for _ in range(2):
        run_again(path, **options)
        loaded = training.load_model(path)
        np.testing.assert_array_equal(asnumpy(loaded(X).data), asnumpy(first.model(X).data))


def test_resume_with_the_best_weights_needs_them(tmp_path) -> None:
    path, scores = tmp_path / "checkpoint.npz", iter([0.1, 0.9, 0.3])
    made = trainer(halves, layers(), path=path, evaluate=lambda model: next(scores), epochs=3)
    made.evaluate = lambda model: next(scores)
    made.run()
    with pytest.raises(CheckpointError, match="no weights of the best epoch, because keep_best was false"):
        run_again(path, epochs=3, evaluate=lambda model: 0.5, keep_best=True)
    assert run_again(path, epochs=3, evaluate=lambda model: 0.5).progress.epoch == 3


# Data sets


@pytest.mark.parametrize(
    ("label", "more"), [("dog", ()), (2, ()), (1.0, ()), (None, ()), (-2, ()), (0, (-1,)), (0, (2,)), (0, ("dog",))]
)
def test_invalid_labels_of_clips(label: object, more: tuple) -> None:
    clip = datasets.Clip("a.wav", label, 1, lambda: (np.zeros(8, np.float32), 8), "a", more)
    with pytest.raises(
        DataError, match=r"a\.wav: expected labels below 2, the number of classes, or one label -1, got"
    ):
        datasets.Dataset("mine", ("dog", "cat"), (clip,))


@pytest.mark.parametrize("source", [np.zeros(8, np.float32), lambda: np.zeros(8, np.float32)])
def test_source_without_a_sample_rate(source: object) -> None:
    clip = datasets.Clip("a.wav", 0, 1, source, "a")
    for read in (lambda: clip.read(1.0), lambda: next(clip.blocks()), lambda: split_clip(clip, 1.0, 1.0)):
        with pytest.raises(DataError, match=r"a\.wav: expected source\(\) to return \(waveform, sample rate in Hz\)"):
            read()
