"""Test that invalid arguments of pruning raise one ConfigError each, and that a criterion can be given by name."""

import numpy as np
import pytest

from quatnet import graph, nn, ops, prune
from quatnet.errors import ConfigError

RNG = np.random.default_rng(0)
MODEL = nn.Sequential(nn.Linear(4, 4, rng=RNG), nn.ReLU(), nn.Linear(4, 2, rng=RNG))
X = np.ones((2, 4), np.float32)
INVALID = [
    *({"counts": {"layers.0": k}} for k in (-1, 0, 20, 1.5, "2", True)),
    {"counts": 0.5},
    {"counts": {"other": 1}},
    {"budget": 0.5},
    *({"ratio": ratio} for ratio in ("half", -0.1, 1, np.nan, [0.5])),
    *(
        {"ratio": 0.5, "criterion": c}
        for c in ("l3", lambda weight: weight, lambda a, g: np.ones(3), lambda a, g: 1, 3)
    ),
    *({"budget": prune.Budget(0), "criterion": c} for c in (lambda weight: weight, lambda arrays, group: np.ones(3))),
]


@pytest.mark.parametrize("options", INVALID, ids=range(len(INVALID)))
def test_invalid_argument_of_select_raises(options):
    with pytest.raises(ConfigError, match=r"expected|must be an integer"):
        prune.select(MODEL, example=X, **options)


@pytest.mark.parametrize(
    "keep",
    [0.5, [1], *({"layers.0": k} for k in (2, [0.5], [], [True, False], [4], [-1], [0, 0], [[0]], "0"))],
    ids=repr,
)
@pytest.mark.parametrize("function", [prune.prune_filters, prune.mask_filters])
def test_invalid_filters_to_keep_raise(function, keep):
    with pytest.raises(ConfigError, match="expected"):
        function(MODEL, keep, example=X)


@pytest.mark.parametrize("name", prune.CRITERIA)
def test_criterion_by_name(name):
    by_name, by_function = (prune.select(MODEL, 0.5, example=X, criterion=c) for c in (name, prune.CRITERIA[name]))
    assert {k: v.tolist() for k, v in by_name.items()} == {k: v.tolist() for k, v in by_function.items()}
    assert len(prune.select(MODEL, 0.5, example=X, criterion="random")["layers.0"]) == 2


def test_group_of_a_layer_called_twice_has_the_name_of_the_layer():
    class Twice(nn.Module):
        def __init__(self):
            self.a, self.b, self.head = (nn.Linear(4, n, rng=RNG) for n in (4, 4, 2))

        def __call__(self, x):
            h = self.a(x)
            return self.head(self.b(ops.relu(self.a(ops.relu(self.b(h))) + h)))

    assert [group.name for group in graph.channel_groups(graph.trace(Twice(), X))] == ["a"]


def test_network_without_groups_is_refused_with_the_reasons():
    with pytest.raises(ConfigError, match=r"no filters .* can be removed \(weight: output of the network\)"):
        prune.select(nn.Linear(4, 2, rng=RNG), 0.5, example=X)
    with pytest.raises(ConfigError, match="it has no layers with filters"):
        prune.prune_filters(ops.relu, {"a": [0]}, example=X)
