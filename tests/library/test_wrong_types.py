"""Test that arguments of wrong types raise errors of quatnet: each argument of functions on networks and data sets."""

import inspect
from dataclasses import replace

import numpy as np
import pytest
import soundfile
from support.small_models import FRONTEND, noise, small_classifier

from quatnet import Classifier, audio, datasets, detection, graph, models, nn, ops, optim, profile, prune, training
from quatnet.errors import QuatnetError
from quatnet.models.cnn import pruned_config

RNG = np.random.default_rng(0)
CLASSIFIER = small_classifier()
CONFIG = models.CNNConfig(3, True, ((4,), (8,)), embedding=4, mels=8)
NETWORK = nn.Sequential(nn.Linear(4, 4, rng=RNG), nn.ReLU(), nn.Linear(4, 2, rng=RNG))
X = np.ones((2, 4), np.float32)
GRAPH, GROUPS = graph.trace(NETWORK, X), prune.trace_groups(NETWORK, example=X)
WEIGHT = {"weight": np.ones((3, 3, 2, 4))}
KEEP = {"layers.0": [0]}
CLIP = datasets.Clip("a", 0, 1, lambda: (noise(1), 8000), "a")
DATA = datasets.Dataset("two", ("a", "b"), (CLIP, replace(CLIP, name="b", label=1, fold=2, key="b")))
CYCLE = {"step": 1, "total_steps": 9, "max_lr": 0.1}
SELECT = {"model": NETWORK, "ratio": 0.5, "example": X, "blocks": None, "criterion": "l1"}
# function: valid arguments, each of which is replaced by each of WRONG
CALLS = {
    Classifier: {"network": CLASSIFIER.network, "frontend": FRONTEND, "classes": ("a", "b", "c")},
    CLASSIFIER.predict: {"waveform": noise(1), "sample_rate_hz": 8000, "hop_seconds": 0.5},
    CLASSIFIER.confidences: {"logits": np.zeros((1, 3))},
    audio.fix_length: {"waveform": noise(1), "samples": 10},
    audio.resample: {"waveform": noise(0.1), "from_hz": 8000, "to_hz": 4000},
    datasets.Dataset.split: {"self": DATA, "fold": 1},
    datasets.one_hot: {"labels": np.array([0]), "num_classes": 2},
    detection.best_classes: {"classifier": CLASSIFIER, "recording": "a.wav", "top": 2},
    detection.detect: {"classifier": CLASSIFIER, "recording": "a.wav", "thresholds": 0.5, "merge_gap_seconds": 0.0},
    graph.prune_graph: {"groups": GROUPS, "keep": KEEP},
    graph.mask_graph: {"groups": GROUPS, "keep": KEEP},
    models.build: {"config": CONFIG, "rng": RNG},
    ops.dropout: {"x": np.ones(3), "p": 0.5, "rng": RNG},
    ops.quaternion_dropout: {"x": np.ones((2, 4)), "p": 0.5, "rng": RNG},
    optim.clip_grad_norm: {"parameters": [], "max_norm": 1},
    optim.cosine: CYCLE,
    optim.one_cycle: CYCLE,
    profile.layer_costs: {"config": CONFIG, "frames": 20},
    prune.Budget: {"multiplications": 1, "parameters": 1, "frames": 3, "milliseconds": 1.0},
    prune.budget_from_reference: {"reference": CONFIG, "frames": 20, "multiplications": 0.5, "parameters": 0.5},
    prune.budget_selectors: {"model": NETWORK, "budget": prune.Budget(), "rounds": 2, "example": X, "criterion": "l1"},
    prune.criterion_from_name: {"name": "l1", "rng": RNG},
    prune.filter_counts: {"groups": GROUPS, "ratio": 0.5},
    prune.geometric_median_scores: WEIGHT,
    prune.l1_scores: WEIGHT,
    prune.l2_scores: WEIGHT,
    prune.layer_savings: {"before": CONFIG, "after": CONFIG, "frames": 20},
    prune.mask_filters: {"model": NETWORK, "keep": KEEP, "example": X},
    prune.operator_norm_scores: WEIGHT,
    prune.prune_filters: {"model": NETWORK, "keep": KEEP, "example": X},
    prune.random: {"rng": RNG},
    prune.ratio_selectors: SELECT | {"rounds": 2},
    prune.select: SELECT,
    prune.top_k: {"scores": np.arange(3.0), "k": 2},
    pruned_config: {"config": CONFIG, "ratio": 0.5},
    training.DataLoader: {"inputs": np.zeros((2, 3)), "targets": np.eye(2), "batch_size": 1},
    training.default_frontend: {"clips": [CLIP], "clip_seconds": 1.0},
    training.load_split: {"data": DATA, "fold": 1, "frontend": FRONTEND, "cache": "cache"},
}
WRONG = [
    "a", 3.5, -1, np.nan, np.inf, 10**400, -(10**20), b"x", 2 + 3j, None, True, [1], [[1]], [None], [np.nan], {},
    {"a": 1}, (), object(), np.zeros(0), np.ones((2, 3)), np.array(["a"]), np.float16(2), np.array(0), "", "a\0b",
]  # fmt: skip


@pytest.fixture
def folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    soundfile.write("a.wav", noise(1), 8000)


def call(function, arguments: dict) -> None:
    if isinstance(arguments.get("recording"), str):
        arguments = arguments | {"recording": CLASSIFIER.stream("a.wav")}
    options = {"train": True} if "dropout" in function.__name__ else {}
    result = function(**arguments, **options)
    if inspect.isgenerator(result):
        list(result)


@pytest.mark.parametrize("function", CALLS, ids=lambda function: function.__qualname__)
@pytest.mark.filterwarnings("ignore")
def test_argument_of_a_wrong_type(function, folder) -> None:
    call(function, CALLS[function])
    for name in set(CALLS[function]) - {"self", "classifier"}:
        for wrong in WRONG:
            message = ""
            try:
                call(function, CALLS[function] | {name: wrong})
            except QuatnetError as error:
                message = str(error)
            except Exception as error:
                raise AssertionError(f"{name}={wrong!r:.40}: {error!r}") from error
            assert "\n" not in message
            assert len(message) < 1200
