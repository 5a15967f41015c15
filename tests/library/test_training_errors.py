"""Test the errors of training: invalid arguments, non-finite losses, existing and removed files, other front ends."""

import os
import shutil
import signal
import threading
from contextlib import nullcontext
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

import numpy as np
import pytest

import quatnet
from quatnet import audio, datasets, models, nn, ops, optim, prune, training
from quatnet.distill import ProjectedStudent, cross_entropy_loss, distillation, feature_matching
from quatnet.errors import CheckpointError, ConfigError, NonFiniteError, ShapeError, TrainingStopped
from quatnet.training import checkpoint
from quatnet.training.loop import Trainer

CONFIG = models.CNNConfig(3, True, ((8,), (12,)), embedding=8, mels=8)
RESNET = models.ResNetConfig(3, False, ((8,), (8, 8), (12,)), embedding=8, mels=8, stages=(1,))
LABELS = np.arange(24) % 3
TARGETS = datasets.one_hot(LABELS, 3)
CLIPS = np.random.default_rng(0).standard_normal((24, 12, 8, 4)).astype(np.float32)


def network(config: models.CNNConfig | models.ResNetConfig = CONFIG) -> models.Network:
    return models.build(config, rng=np.random.default_rng(0))


def make_trainer(path: Path | None = None, model=None, **options) -> Trainer:
    model = model or network()
    loader = training.DataLoader(CLIPS, TARGETS, batch_size=8)
    defaults = {"epochs": 2, "steps_per_epoch": 3, "schedule": lambda step: 1e-3, "batches": loader}
    options = defaults | {"optimizer": optim.AdamW(model.parameters())} | options
    return Trainer(model, path=path, **options)


def fit(model=None, batches=None, **options) -> training.Progress:
    loader = batches or training.DataLoader(CLIPS, TARGETS, batch_size=8)
    return training.fit(model or network(), loader, **{"epochs": 2} | options)


# Arguments

INVALID = {
    "constant_schedule": (
        {"schedule": 1e-3},
        "expected schedule to be a function, got float; .*lambda step: 1e-3 for a const",
    ),
    "tuple_of_batches": (
        {"batches": (CLIPS, TARGETS)},
        "expected batches to be a function, got tuple; define batches.rng., such as DataLoader[^;]*$",
    ),
    "loss": ({"loss": "softmax"}, "expected loss to be a function"),
    "evaluate": ({"evaluate": (CLIPS, LABELS)}, "expected evaluate to be a function"),
    "optimizer_class": ({"optimizer": optim.AdamW}, r"such as AdamW\(model.parameters\(\)\)"),
    "no_epochs": ({"epochs": 0}, "epochs must be an integer of at least 1, got 0"),
    "float_epochs": ({"epochs": 2.0}, "epochs must be an integer of at least 1, got 2.0"),
    "text_steps": ({"steps_per_epoch": "3"}, "steps_per_epoch must be an integer"),
    "fewer_steps": ({"steps_per_epoch": 2}, "expected steps_per_epoch = 3, the number of batches, got 2"),
    "more_steps": ({"steps_per_epoch": 4}, "expected steps_per_epoch = 3, the number of batches, got 4"),
    "seed": ({"seed": -1}, "seed must be an integer of at least 0, got -1"),
    "no_seed": ({"seed": None}, "seed must be an integer of at least 0, got None"),
    "metadata": ({"metadata": {"frontend": audio.FrontEnd()}}, "expected metadata that JSON supports"),
    "nan_metadata": ({"metadata": {"floor": np.nan}}, "expected metadata that JSON supports"),
    "clipping": ({"max_grad_norm": -1.0}, "max_grad_norm > 0 or None, got -1.0"),
    "keep_best": ({"keep_best": True}, "expected evaluate with keep_best"),
}


@pytest.mark.parametrize("name", INVALID)
def test_invalid_trainer_arguments(tmp_path: Path, name: str) -> None:
    options, message = INVALID[name]
    with pytest.raises(ConfigError, match=message):
        make_trainer(tmp_path / "run.npz", **options)
    assert not os.listdir(tmp_path)


@pytest.mark.parametrize("kind", [np.int8, np.int64, np.uint16])
def test_numpy_integers(tmp_path: Path, kind: type) -> None:
    options = {"epochs": kind(1), "steps_per_epoch": kind(3), "seed": kind(2), "checkpoint": str(tmp_path / "run.npz")}
    assert len(fit(**options).history) == 1
    config = models.CNNConfig(kind(3), True, ((kind(8),), [kind(12)]), embedding=kind(8), mels=kind(8))
    assert config == CONFIG
    checkpoint.write(tmp_path / "model.npz", network(config), {})
    assert training.load_model(tmp_path / "model.npz").config == CONFIG


@pytest.mark.parametrize(
    ("inputs", "targets", "message"),
    [
        ((CLIPS * 1000).astype(np.int16), TARGETS, r"float inputs, got int16; .*astype\(np.float32\)"),
        (CLIPS, np.array(["cat", "dog", "rain"] * 8), r"targets \(N, classes\), got \(24,\) of <U4; datasets.one_hot"),
        (CLIPS, LABELS, r"targets \(N, classes\), got \(24,\) of int64; datasets.one_hot"),
        (CLIPS, TARGETS.astype(str), "targets"),
        (CLIPS, ["cat"] * 24, "expected an array of targets, got list"),
        (CLIPS.tolist(), TARGETS, "expected an array of inputs, got list"),
    ],
)
def test_invalid_arrays(inputs, targets, message: str) -> None:
    with pytest.raises(ShapeError, match=message):
        training.DataLoader(inputs, targets)


@pytest.mark.parametrize(
    ("test", "message"),
    [
        ((CLIPS, np.array(["cat", "dog", "rain"] * 8)), r"labels \(N,\) of class numbers, got \(24,\) of <U4"),
        ((CLIPS, TARGETS), r"labels \(N,\) of class numbers, got \(24, 3\)"),
        ((CLIPS, LABELS[1:]), "got 24 inputs, 23 targets"),
        ((CLIPS.astype(int), LABELS), "float inputs"),
        ((CLIPS[:0], LABELS[:0]), "got 0 inputs"),
    ],
)
def test_invalid_test_clips_are_found_before_the_first_step(tmp_path: Path, test: tuple, message: str) -> None:
    with pytest.raises(ShapeError, match=message):
        fit(test=test, checkpoint=tmp_path / "run.npz")
    assert not os.listdir(tmp_path)
    with pytest.raises(ShapeError, match=message):
        training.evaluate(network(), *test)


@pytest.mark.parametrize("count", [1, 2, 4, 10**9])
def test_number_of_batches_of_a_function(count: int) -> None:
    def batches(rng):
        return ((CLIPS[:4], TARGETS[:4]) for _ in range(count))

    with pytest.raises(
        ConfigError, match=rf"expected steps_per_epoch = 3 batches, got {count if count < 3 else 'more'}"
    ):
        fit(batches=batches, steps_per_epoch=3)
    with pytest.raises(ConfigError, match="expected steps_per_epoch, the number of batches"):
        fit(batches=batches)


@pytest.mark.parametrize("kind", [tuple, list, lambda pair: dict(enumerate(pair)), None])
def test_several_inputs_are_refused_before_the_first_step(kind) -> None:
    model = network()
    before = model.state_dict()

    def batches(rng):
        pair = CLIPS[:8], CLIPS[:8]
        yield (kind(pair), TARGETS[:8]) if kind else (*pair, TARGETS[:8])

    with pytest.raises(ConfigError, match=r"networks of one input, got a (tuple|list|dict) of 2 arrays; wrap"):
        fit(model, batches, steps_per_epoch=1)
    np.testing.assert_equal(model.state_dict(), before)


class WithoutOptions(nn.Module):
    def __init__(self) -> None:
        self.weight = nn.Linear(384, 3, rng=np.random.default_rng(0))

    def __call__(self, x):
        return self.weight(ops.reshape(x, (len(x), 384)))


@pytest.mark.parametrize(
    ("model", "got"),
    [
        (lambda x: x, "expected a network derived from nn.Module, .* got function; .*"),
        (quatnet.compile(network()), "expected a network derived from nn.Module, .* got Compiled; train .*"),
        (
            WithoutOptions(),
            "expected __call__.self, x, .*, train=False, rng=None.; WithoutOptions does .*unexpected .*'train'",
        ),
    ],
)
def test_models_that_cannot_be_trained(model, got: str) -> None:
    with pytest.raises(ConfigError, match=got):
        fit(model)
    options = {"epochs": 1, "steps_per_epoch": 1, "schedule": lambda step: 1e-3}
    with pytest.raises(ConfigError, match=got):
        Trainer(model, lambda rng: [(CLIPS, TARGETS)], optim.AdamW(network().parameters()), **options)


def test_loss_of_two_arguments() -> None:
    with pytest.raises(
        ConfigError, match=r"expected loss\(logits, targets, x\), .*lambda.* does not accept .*too many positional"
    ):
        fit(loss=lambda logits, targets: ops.mse_loss(logits, targets))


@pytest.mark.parametrize(
    ("loss", "got"),
    [
        (lambda logits, targets, x: logits - targets, r"got Tensor of shape \(8, 3\)"),
        (lambda logits, targets, x: float(logits.data.mean()), r"got float of shape \(\)"),
        (lambda logits, targets, x: None, r"got NoneType of shape \(\)"),
    ],
)
def test_losses_that_are_no_scalar_tensor(loss, got: str) -> None:
    model = nn.Sequential(nn.Flatten(), nn.Linear(384, 3, rng=np.random.default_rng(0)))
    before = model.state_dict()
    with pytest.raises(ShapeError, match=f"scalar tensor, {got}; compute"):
        fit(model, loss=loss)
    np.testing.assert_equal(model.state_dict(), before)


@pytest.mark.parametrize("schedule", [[1e-3] * 6, dict.fromkeys(range(6), 1e-3)])
def test_schedule_without_a_signature(schedule) -> None:
    make_trainer(schedule=schedule.__getitem__).run()


# Non-finite values


def test_first_non_finite_loss_stops_and_names_the_clips(tmp_path: Path) -> None:
    clips, path = CLIPS.copy(), tmp_path / "run.npz"
    clips[17, 3, 2, 1] = np.nan
    loader = training.DataLoader(clips, TARGETS, batch_size=8)
    batches = loader.batch_indices(np.random.default_rng([5, 0]))
    step = next(n for n, batch in enumerate(batches) if 17 in batch)
    model = network()
    with pytest.raises(NonFiniteError) as error:
        fit(model, loader, seed=5, checkpoint=path)
    names = ", ".join(map(str, batches[step]))
    assert f"step {step + 1} of 3 of epoch 1, with the clips {names};" in str(error.value)
    assert "max_grad_norm" not in str(error.value)
    assert "checkpoint" not in str(error.value)
    assert not path.exists()
    assert all(np.isfinite(tensor.data).all() for tensor in model.parameters())  # the step did not change the network


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
def test_non_finite_loss_keeps_the_last_checkpoint(tmp_path: Path, value: float) -> None:
    calls, path = [], tmp_path / "run.npz"

    def loss(logits, targets, x):
        calls.append(len(x))
        return cross_entropy_loss(logits, targets, x) * (value if len(calls) == 5 else 1.0)

    with pytest.raises(NonFiniteError, match=r"step 2 of 3 of epoch 2, with the clips .*last checkpoint is kept"):
        fit(loss=loss, checkpoint=path)
    options = {"optimizer": optim.AdamW((model := network()).parameters(), weight_decay=0.05), "model": model}
    resumed = make_trainer(path, metadata={"max_lr": 4e-3}, **options)
    resumed.load()
    assert (resumed.progress.epoch, resumed.progress.step) == (1, 0)
    assert all(np.isfinite(array).all() for array in training.load_model(path).state_dict().values())


def test_non_finite_weights_are_not_saved(tmp_path: Path) -> None:
    trainer = make_trainer(tmp_path / "run.npz")
    trainer.run()
    before = (tmp_path / "run.npz").read_bytes()
    trainer.model.classifier.bias.data[1] = np.inf
    with pytest.raises(CheckpointError, match=r"run\.npz, array 'model/classifier.bias': expected finite values"):
        trainer.save()
    assert (tmp_path / "run.npz").read_bytes() == before
    assert os.listdir(tmp_path) == ["run.npz"]


def test_non_finite_weights_are_found_before_the_first_step(tmp_path: Path) -> None:
    model = network()
    model.classifier.weight.data[0, 0] = np.nan
    with pytest.raises(CheckpointError, match="expected finite values"):
        fit(model, checkpoint=tmp_path / "run.npz")
    assert not os.listdir(tmp_path)


@pytest.mark.parametrize("path", [None, "run.npz"])
def test_non_finite_gradient_in_the_last_step(tmp_path: Path, path: str | None) -> None:
    trainer = make_trainer(path and tmp_path / path, epochs=1)
    step = trainer.optimizer.step

    def last_step(**options) -> None:
        if trainer.progress.step == 2:
            trainer.model.classifier.bias.grad[0] = np.nan
        step(**options)

    trainer.optimizer.step = last_step
    with pytest.raises(NonFiniteError, match=r"parameters are not finite after epoch 1: classifier.bias; use a lower"):
        trainer.run()
    assert not os.listdir(tmp_path)


@pytest.mark.parametrize("keep_best", [True, False])
@pytest.mark.parametrize("score", [np.nan, np.inf, -np.inf])
def test_non_finite_score_stops(tmp_path: Path, keep_best: bool, score: float) -> None:
    scores = iter([0.25, score])
    trainer = make_trainer(tmp_path / "run.npz", evaluate=lambda _: next(scores), keep_best=keep_best)
    with pytest.raises(NonFiniteError, match=f"evaluate returned {score} after epoch 2"):
        trainer.run()
    assert checkpoint.read(tmp_path / "run.npz")[0]["training"]["progress"]["epoch"] == 1


def test_keep_best_of_negative_scores() -> None:
    scores, states = iter([-5.0, -3.0]), []

    def evaluate(model) -> np.float32:
        states.append(model.state_dict())
        return np.float32(next(scores))

    trainer = make_trainer(evaluate=evaluate, keep_best=True)
    trainer.run()
    np.testing.assert_equal(trainer.best, states[1])


# Files


def test_existing_checkpoint_is_not_overwritten(tmp_path: Path) -> None:
    path = tmp_path / "run.npz"
    fit(checkpoint=path)
    before = path.read_bytes()
    for options in ({}, {"seed": 1}, {"epochs": 5}):
        with pytest.raises(CheckpointError, match=r"run\.npz exists; .*resume=True.*another path, or delete the file"):
            fit(checkpoint=str(path), **options)
    assert path.read_bytes() == before
    assert len(fit(checkpoint=path, resume=True).history) == 2
    fit(checkpoint=tmp_path / "new.npz", resume=True)


def test_unusable_paths_are_found_before_the_first_step(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    calls = []

    def batches(rng):
        calls.append(1)
        return iter(())

    for path in (tmp_path / "file" / "run.npz", tmp_path):
        with pytest.raises((OSError, CheckpointError)):
            make_trainer(path, batches=batches).run()
    assert not calls
    assert sorted(os.listdir(tmp_path)) == ["file"]


def test_run_that_was_killed_before_the_first_step_is_resumed(tmp_path: Path) -> None:
    make_trainer(tmp_path / "run.npz").save()
    resumed = make_trainer(tmp_path / "run.npz")
    resumed.load()
    assert len(resumed.run().history) == 2


def test_removed_folder_is_an_error(tmp_path: Path) -> None:
    folder = tmp_path / "out"
    trainer = make_trainer(folder / "run.npz", evaluate=lambda _: float(not shutil.rmtree(folder)))
    with pytest.raises(CheckpointError, match="out of the checkpoint was removed during the training"):
        trainer.run()
    assert not folder.exists()


@pytest.mark.parametrize("keep_best", [False, True])
def test_ctrl_c_in_the_last_evaluation(tmp_path: Path, keep_best: bool) -> None:
    def evaluate(model) -> float:
        if len(trainer.progress.history) == 1:
            os.kill(os.getpid(), signal.SIGINT)
        return 1.0 - len(trainer.progress.history)

    assert threading.current_thread() is threading.main_thread()
    trainer = make_trainer(tmp_path / "run.npz", evaluate=evaluate, keep_best=keep_best)
    with pytest.raises(TrainingStopped, match=r"stopped in epoch 2 of 2: saved in .*a resumed run continues") as error:
        trainer.run()
    assert "--" not in str(error.value)
    np.testing.assert_equal(training.load_model(trainer.path).state_dict(), trainer.model.state_dict())


# Subclasses of built-in networks


class Scaled(models.CNN):
    """A subclass that computes other logits than a CNN."""

    def head(self, h, **options):
        return super().head(h, **options) * 2.0


class ScaledResNet(models.ResNet):
    """A subclass that computes other logits than a ResNet."""

    def features(self, h, **options):
        return ops.relu(super().features(h, **options) - 0.1)


class OwnBlock(type(network().blocks[0])):
    """A subclass of a block."""


class OwnLinear(nn.Linear):
    """A subclass of a layer."""


@dataclass(frozen=True)
class OwnConfig(models.CNNConfig):
    """A config with another pooling."""

    def has_pool(self, block: int) -> bool:
        return False


def changed_networks() -> dict[str, models.Network]:
    """Return networks that a built-in network with the same config and arrays does not equal."""
    block, layer, method = network(), network(), network()
    block.blocks[1].__class__ = OwnBlock
    layer.classifier.__class__ = OwnLinear
    method.head = lambda h, **options: h
    return {
        "CNN": Scaled(CONFIG, rng=np.random.default_rng(0)),
        "ResNet": ScaledResNet(RESNET, rng=np.random.default_rng(0)),
        "block": block,
        "layer": layer,
        "method": method,
        "config": network(OwnConfig(**vars(CONFIG))),
    }


def keep(model: models.Network) -> dict[str, np.ndarray]:
    return {"blocks.0.convs.0": np.array([0, 1])}


@pytest.mark.parametrize("name", changed_networks())
def test_changed_networks_are_refused(name: str) -> None:
    with pytest.raises(ConfigError, match=r"expected a CNN or ResNet of quatnet.models with its own layers, got"):
        training.with_new_head(changed_networks()[name], 5, rng=np.random.default_rng(0))


@pytest.mark.parametrize("name", ["CNN", "ResNet", "block", "layer", "config"])
def test_changed_networks_are_pruned_and_compiled_by_their_graph(name: str) -> None:
    model, example = changed_networks()[name], np.zeros((1, 32, CONFIG.mels, 4), np.float32)
    x = np.random.default_rng(0).standard_normal((3, 32, CONFIG.mels, 4)).astype(np.float32)
    pruned, masked = (
        function(model, keep(model), example=example)(x).numpy()
        for function in (prune.prune_filters, prune.mask_filters)
    )
    np.testing.assert_allclose(pruned, masked, rtol=1e-4, atol=1e-5)
    np.testing.assert_allclose(quatnet.compile(model, example)(x).numpy(), model(x).numpy(), rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("name", changed_networks())
def test_changed_networks_are_saved_as_arrays(tmp_path: Path, name: str) -> None:
    model = changed_networks()[name]
    checkpoint.write(tmp_path / "run.npz", model, {})
    with pytest.raises(CheckpointError, match="has only arrays"):
        training.load_model(tmp_path / "run.npz")
    model.load_state_dict(checkpoint.read(tmp_path / "run.npz")[1]["model"])


@pytest.mark.parametrize(
    "config", [CONFIG, RESNET, replace(RESNET, quaternion=True), replace(CONFIG, quaternion=False)]
)
def test_built_in_networks_are_not_refused(tmp_path: Path, config) -> None:
    training.with_new_head(network(config), 5, rng=np.random.default_rng(0))
    checkpoint.write(tmp_path / "run.npz", network(config), {})
    assert training.load_model(tmp_path / "run.npz").config == config


# Front ends

FRONTEND = audio.FrontEnd(sample_rate_hz=8000, window=256, hop=80, mels=8, low_hz=50, high_hz=4000, clip_seconds=0.11)
OTHERS = [replace(FRONTEND, **change) for change in ({"floor_db": -60.0}, {"variant": "repeat"}, {"low_hz": 100.0})]


class OwnFrontEnd(audio.FrontEnd):
    """A front end with the parameters of another one."""


OTHERS.append(OwnFrontEnd(**vars(FRONTEND)))


def features(frontend: audio.FrontEnd) -> np.ndarray:
    return frontend.attach_settings(CLIPS)


def trained(path: Path | None = None) -> models.Network:
    model = network()
    fit(model, training.DataLoader(features(FRONTEND), TARGETS, batch_size=8), epochs=1, checkpoint=path)
    return model


@pytest.mark.parametrize("frontend", OTHERS, ids=str)
def test_features_of_another_front_end_are_refused(tmp_path: Path, frontend: audio.FrontEnd) -> None:
    model = trained(tmp_path / "run.npz")
    loaded = training.load_model(tmp_path / "run.npz")
    assert loaded.frontend_settings == FRONTEND.settings
    derived = [
        prune.prune_filters(model, keep(model)),
        prune.mask_filters(model, keep(model)),
        quatnet.compile(model),
        training.with_new_head(model, 5, rng=np.random.default_rng(0)),
    ]
    for net in (model, loaded, *derived):
        training.predict(net, features(FRONTEND)[:3])
        training.predict(net, CLIPS[:3])  # the front end of a plain array is not known
        for inputs in (features(frontend), features(frontend)[LABELS == 1], features(frontend)[2:4] * 1):
            with pytest.raises(ConfigError, match="trained on features of another front end"):
                training.predict(net, inputs)
    with pytest.raises(ConfigError, match="another front end"):
        training.evaluate(model, features(frontend), LABELS)
    with pytest.raises(ConfigError, match="another front end"):
        fit(model, training.DataLoader(features(frontend), TARGETS), epochs=1)
    with pytest.raises(ConfigError, match="another front end"):
        fit(
            network(),
            training.DataLoader(features(frontend), TARGETS, batch_size=8),
            epochs=1,
            checkpoint=tmp_path / "run.npz",
            resume=True,
        )


def test_teacher_of_another_front_end_is_refused() -> None:
    teacher, student = trained(), network()
    projected = ProjectedStudent(student, 8, rng=np.random.default_rng(0))
    for frontend, error in ((FRONTEND, None), (OTHERS[0], ConfigError)):
        loader = training.DataLoader(features(frontend), TARGETS, batch_size=8)
        for model, loss in ((network(), distillation(teacher)), (projected, feature_matching(projected, teacher))):
            with pytest.raises(error, match="another front end") if error else nullcontext():
                fit(model, loader, loss=loss, epochs=1)
        projected.frontend_settings = None


def test_front_end_of_projected_student() -> None:
    student = ProjectedStudent(network(), 4, rng=np.random.default_rng(0))
    student.frontend_settings = FRONTEND.settings
    assert student.network.frontend_settings == FRONTEND.settings


def test_front_end_of_cached_features_and_packed_batches(tmp_path: Path) -> None:
    data = datasets.synthetic.load(clips_per_class=5, seed=0, clip_seconds=0.2)
    for _ in range(2):
        assert datasets.features(data.clips, FRONTEND, cache=tmp_path).frontend_settings == FRONTEND.settings


# Checkpoints with invalid contents and valid checksums


def training_header(path: Path) -> tuple[dict, dict]:
    header, groups = checkpoint.read(path)
    return header, {f"{group}/{name}": array for group, members in groups.items() for name, array in members.items()}


def rewrite(path: Path, header: dict, arrays: dict) -> None:
    import json

    np.savez(path, header=np.array(json.dumps(header)), **arrays)


CHANGES = {
    "progress": [None, [], {}, "x", {"epoch": 1}],
    "progress.epoch": [-1, 3, 1.5, "1", None, True, 10**30, [1]],
    "progress.step": [-1, 4, 0.5, "1", None],
    "progress.seconds": ["1", None, 10**400, []],
    "progress.totals": [None, [], [0, 0], ["a", 0, 0], [10**400, 0, 0], {"a": 1, "b": 2, "c": 3}],
    "progress.history": [None, [], [1], [{}], [{"loss": "x", "accuracy": 1}], "ab", [{"loss": 1}] * 3],
    "data_rng": [None, {}, "x", {"bit_generator": "MT19937"}, [1]],
    "data_rng.state": [None, {}, {"state": 1.5, "inc": 1}, {"state": -1, "inc": 1}, {"state": 2**130, "inc": 1}],
    "data_rng.has_uint32": ["x", None, 7.5, 2**80],
    "data_rng.uinteger": ["x", None, -1, 2**80],
    "dropout_rng": [None, {}],
    "metadata": [None, 1, "x", {}],
}


@pytest.mark.parametrize(("key", "value"), [(key, value) for key in CHANGES for value in CHANGES[key]], ids=str)
def test_invalid_training_state_is_refused(tmp_path: Path, key: str, value) -> None:
    path = tmp_path / "run.npz"
    make_trainer(path, epochs=1).run()
    header, arrays = training_header(path)
    *parents, last = key.split(".")
    target = header["training"]
    for parent in parents:
        target = target[parent]
    target[last] = value
    rewrite(path, header, arrays)
    trainer = make_trainer(path, epochs=1)
    trainer.model.classifier.bias.data[0] = 7.0
    before = trainer.model.state_dict() | trainer.optimizer.state_dict()
    with pytest.raises(CheckpointError, match=r"run\.npz"):
        trainer.load()
    np.testing.assert_equal(trainer.model.state_dict() | trainer.optimizer.state_dict(), before)
    assert trainer.progress == training.Progress()


@pytest.mark.parametrize("change", ["missing", "dtype", "shape", "steps", "best", "model_dtype", "no_training"])
def test_invalid_training_arrays_are_refused(tmp_path: Path, change: str) -> None:
    path = tmp_path / "run.npz"
    make_trainer(path, epochs=1).run()
    header, arrays = training_header(path)
    name = next(name for name in arrays if name.startswith("optimizer/exp_avg/"))
    if change == "missing":
        del arrays[name]
    elif change in ("dtype", "shape"):
        arrays[name] = arrays[name].astype(np.float64) if change == "dtype" else arrays[name][:1]
    elif change == "steps":
        arrays["optimizer/steps"] = np.array([1, 2])
    elif change == "best":
        arrays["best/other"] = np.ones(3)
    elif change == "model_dtype":
        arrays["model/classifier.bias"] = np.array(["1", "2", "3"])
    else:
        del header["training"]
    rewrite(path, header, arrays)
    trainer = make_trainer(path, epochs=1)
    before = trainer.model.state_dict() | trainer.optimizer.state_dict()
    with pytest.raises(CheckpointError, match=r"run\.npz"):
        trainer.load()
    np.testing.assert_equal(trainer.model.state_dict() | trainer.optimizer.state_dict(), before)


CONFIGS = {
    "embedding": [10**9, 10**18, 10**30, -4, 2.5, "8", None, [8]],
    "classes": [10**12, 0, "3", 3.5, None],
    "mels": [10**12, 0, "8", None],
    "widths": [[[8], [10**9]], [[10**30]], [], [[]], "ab", None, 3, [[8.5]], [["8"]]],
    "kernel_size": [10**9 + 1, 2, "3"],
    "block_dropout": ["x", None, 2, -1],
    "input_norm": ["x", None, 3],
    "stages": [[1], [10**9], "x", [0], None],
    "other": [1],
}


@pytest.mark.parametrize(("key", "value"), [(key, value) for key in CONFIGS for value in CONFIGS[key]], ids=str)
def test_invalid_config_is_refused(tmp_path: Path, key: str, value) -> None:
    path = tmp_path / "run.npz"
    checkpoint.write(path, network(), {})
    header, arrays = training_header(path)
    header["config"][key] = value
    rewrite(path, header, arrays)
    with pytest.raises(CheckpointError, match=r"run\.npz"):
        training.load_model(path)


@pytest.mark.parametrize("settings", ["x", [], 3, True])
def test_front_end_of_another_type_is_refused(tmp_path: Path, settings) -> None:
    path = tmp_path / "run.npz"
    checkpoint.write(path, network(), {"frontend": settings})
    with pytest.raises(CheckpointError, match=r"run\.npz: expected the settings of a front end"):
        training.load_model(path)


@pytest.mark.parametrize("config", ["x", [], 3, {}, {"classes": 3}])
def test_config_of_another_type_is_refused(tmp_path: Path, config) -> None:
    path = tmp_path / "run.npz"
    checkpoint.write(path, network(), {"config": config})
    with pytest.raises(CheckpointError, match=r"run\.npz"):
        training.load_model(path)


def test_weight_average_checks_its_optimizer_before_it_changes(tmp_path: Path) -> None:
    average = training.WeightAverage(optim.AdamW(network().named_parameters()))
    state = average.state_dict()
    average.load_state_dict(state)
    broken = state | {"optimizer/steps": np.zeros(2, int), "steps": np.asarray(5)}
    with pytest.raises(CheckpointError, match="expected the state of AdamW"):
        average.load_state_dict(broken)
    np.testing.assert_equal(average.state_dict(), state)


def test_learning_rate_schedule_of_numpy_epochs() -> None:
    trainer = make_trainer(epochs=np.int8(100), schedule=partial(optim.one_cycle, total_steps=300, max_lr=0.01))
    assert trainer.metadata["epochs"] == 100
