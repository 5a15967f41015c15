"""Tests of filter pruning: scores, selection, removal of filters, budgets and rounds.

A quaternion filter is removed with all four components, its batch norm entries and the corresponding inputs of the next
layers. In a residual network, the same filter is removed from every layer that contributes to the same sum. The outputs
of the pruned network are equal to those of the unpruned network with the removed filters masked. A criterion assigns a
score to every filter. The number of removed filters follows from a ratio for each layer or from a budget for the whole
network.
"""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from quatnet import paper_code
from quatnet.backend import asnumpy, xp
from quatnet.errors import ConfigError
from quatnet.graph import count, prune_graph
from quatnet.models import CNN, CNNConfig, Network, ResNetConfig, build, config_from_dict
from quatnet.profile import count_parameters, multiplications, network_cost
from quatnet.prune import (
    CRITERIA,
    Budget,
    batch_norm,
    budget_from_reference,
    budget_selectors,
    criterion_from_name,
    geometric_median_scores,
    l1,
    l1_scores,
    l2_scores,
    layer_savings,
    mask_filters,
    operator_norm_scores,
    prune_filters,
    prune_gradually,
    ratio_selectors,
    savings_table,
    select,
    trace_groups,
    weight_criterion,
)
from quatnet.quaternion import hamilton_product

SMALL = CNNConfig(3, True, ((8, 12), (16,), (12, 8)), embedding=8, mels=8)
NO_DROPOUT = {"block_dropout": 0.0, "head_dropout": 0.0}
WIDTHS = ((8, 8), (12, 8), (8, 8), (16, 24), (24, 24), (32, 16))
CONFIGS = {
    "cnn6": CNNConfig(3, True, ((8,), (16,), (24,)), 16, mels=16, kernel_size=5, last_pool=True, **NO_DROPOUT),
    "cnn10": CNNConfig(3, True, ((8, 8), (16, 24)), 16, mels=16, last_pool=True, **NO_DROPOUT),
    "cnn14": CNNConfig(3, True, ((8, 8), (16, 24), (32, 16)), 16, mels=16, **NO_DROPOUT),
    "small_cnn": CNNConfig(3, True, ((8,), (16,), (12, 8)), 8, mels=16, input_norm="cell", **NO_DROPOUT),
    "resnet38": ResNetConfig(3, True, WIDTHS, 16, mels=16, stages=(2, 2), residual_dropout=0.0, **NO_DROPOUT),
}
CRITERION_NAMES = [*CRITERIA, "random", "paper_code"]


def make_criterion(name: str, seed: int = 0):
    if name == "paper_code":
        return weight_criterion(paper_code.l1_scores)
    return criterion_from_name(name, rng=np.random.default_rng(seed))


def make_network(config=SMALL, seed: int = 0, quaternion: bool = True) -> Network:
    """Return a network with random batch norm parameters and running statistics."""
    rng = np.random.default_rng(seed + 1)
    model = build(config_from_dict({**vars(config), "quaternion": quaternion}), rng=np.random.default_rng(seed))
    model.load_state_dict(
        {name: array + rng.random(array.shape).astype(np.float32) for name, array in model.state_dict().items()}
    )
    return model


def make_clips(mels: int = 8, frames: int = 9) -> np.ndarray:
    return np.random.default_rng(7).standard_normal((3, frames, mels, 4)).astype(np.float32)


# Scores


def test_l1_and_l2_scores_by_hand() -> None:
    weight = np.zeros((4, 3, 3, 1, 2))
    weight[0, 0, 0, 0, 0] = 1.5  # filter 0 has one large weight in one tap of the real part
    weight[..., 1] = -0.1  # filter 1 has small weights everywhere, and 36 · 0.1 = 3.6 > 1.5
    np.testing.assert_allclose(l1_scores(weight), [1.5, 3.6])
    np.testing.assert_allclose(l2_scores(weight), [1.5, 0.6])  # the L2 norm of filter 1 is √(36 · 0.01) = 0.6


def test_paper_code_scores_use_one_tap() -> None:
    weight = np.ones((4, 3, 3, 1, 2))
    weight[:, 0, 0, 0, 0] = 0.0  # the weights of filter 0 are 0 in the top left tap, so its score is 0
    weight[:, :, :, 0, 1] *= 0.01
    np.testing.assert_allclose(paper_code.l1_scores(weight), [0, 1])
    # Each component is divided by its maximum. The scores are (1 + 0 + 0 + 0) / 4 and (1/3 + 3) / 4.
    weight[0, 0, 0, 0] = [3, 1]
    np.testing.assert_allclose(paper_code.l1_scores(weight), [1 / 4, 10 / 12])
    np.testing.assert_allclose(paper_code.l1_scores(weight[0]), [1, 1 / 3])  # a real filter has one component


def test_geometric_median_score_is_smallest_at_the_center() -> None:
    # The five filters have two weights each. As points, they are the corners of a square and its center.
    weight = np.zeros((1, 1, 2, 5))
    weight[0, 0] = np.array([[9, 11], [11, 11], [9, 9], [11, 9], [10, 10]]).T
    scores = geometric_median_scores(weight)
    np.testing.assert_allclose(scores[4], 4 * np.sqrt(2))
    # the distances of a corner are 2, 2 and 2√2 to the other corners and √2 to the center
    np.testing.assert_allclose(scores[:4], 4 + 3 * np.sqrt(2))
    assert np.argmin(l1_scores(weight)) == 2  # the L1 norm would remove another filter


def test_operator_norm_scores_by_hand() -> None:
    weight = np.zeros((1, 2, 2, 2))
    weight[0, :, :, 0] = np.diag([3, 4])  # the two taps of filter 0 use different inputs
    weight[0, :, :, 1] = 2  # the two taps of filter 1 use the same combination of inputs
    np.testing.assert_allclose(operator_norm_scores(weight), [4, 4])
    np.testing.assert_allclose(l2_scores(weight), [5, 4])


@settings(max_examples=20)
@given(seed=st.integers(0, 99), taps=st.integers(1, 3), inputs=st.integers(1, 3), filters=st.integers(1, 4))
def test_operator_norm_bounds_the_gain_for_quaternion_inputs(seed, taps, inputs, filters) -> None:
    rng = np.random.default_rng(seed)
    weight = rng.standard_normal((4, 1, taps, inputs, filters))
    x = rng.standard_normal((4, inputs))
    # the shape is (4, taps, filters)
    y = asnumpy(hamilton_product(weight[:, 0], x[:, None, :, None], axis=0)).sum(axis=2)
    gain = np.linalg.norm(y, axis=(0, 1)) / np.linalg.norm(x)
    norms = operator_norm_scores(weight)
    assert (gain <= norms * (1 + 1e-9)).all()
    assert (norms <= l2_scores(weight) * (1 + 1e-9)).all()
    if inputs == 1:  # because |w ⊗ x| = |w| |x|, the gain is equal for all x
        np.testing.assert_allclose(gain, norms)


@settings(max_examples=20)
@given(seed=st.integers(0, 99), components=st.sampled_from([(), (4,)]), filters=st.integers(1, 5))
def test_scores_agree_with_loops(seed: int, components: tuple[int, ...], filters: int) -> None:
    weight = np.random.default_rng(seed).standard_normal((*components, 2, 3, 2, filters))
    rows = [weight[..., o].ravel() for o in range(filters)]
    np.testing.assert_allclose(l1_scores(weight), [sum(map(abs, row)) for row in rows])
    np.testing.assert_allclose(l2_scores(weight), [sum(a * a for a in row) ** 0.5 for row in rows])
    distances = [
        sum(sum((a - b) ** 2 for a, b in zip(row, other, strict=True)) ** 0.5 for other in rows) for row in rows
    ]
    np.testing.assert_allclose(geometric_median_scores(weight), distances, rtol=1e-6)
    tap = weight.reshape(-1, 2, 3, 2, filters)[:, 0, 0]
    sums = [np.array([sum(map(abs, component[:, o])) for o in range(filters)]) for component in tap]
    np.testing.assert_allclose(paper_code.l1_scores(weight), sum(part / max(part) for part in sums) / len(sums))


@pytest.mark.parametrize("name", ["l1", "l2", "geometric_median", "operator_norm"])
@pytest.mark.parametrize("quaternion", [False, True])
def test_scores_after_left_multiplication_by_a_unit_quaternion(name: str, quaternion: bool) -> None:
    """Test the scores of w and q ⊗ w for |q| = 1. Only the L1 norm is not invariant."""
    rng = np.random.default_rng(0)
    weight = rng.standard_normal((4, 3, 3, 2, 5))
    q = rng.standard_normal(4)
    product = asnumpy(hamilton_product(q / np.linalg.norm(q), np.moveaxis(weight, 0, -1)))
    score = {"l1": l1_scores, "l2": l2_scores, "geometric_median": geometric_median_scores}.get(
        name, operator_norm_scores
    )
    invariant = np.allclose(score(np.moveaxis(product, -1, 0)), score(weight))
    assert invariant == (name != "l1")


def test_batch_norm_criterion_averages_the_four_channels_of_a_filter() -> None:
    model = make_network()
    group = trace_groups(model)[0]  # the 8 real channels are 2 quaternion filters
    model.blocks[0].norms[0].weight.data[...] = xp.asarray([1, 0, -1, 0, 2, 0, 0, 4])
    np.testing.assert_allclose(batch_norm(model.state_dict(), group), [1, 1])
    model.blocks[0].norms[0].weight.data[...] = xp.asarray([3, 1, -3, -1, 3, 1, 3, 1])
    np.testing.assert_allclose(batch_norm(model.state_dict(), group), [1.5, 0.5])


def test_criterion_averages_over_the_producers_of_a_residual_sum() -> None:
    config = CONFIGS["resnet38"]
    model = make_network(config)
    group = trace_groups(model)[1]
    assert len(group.producers) == 3
    arrays = model.state_dict()
    for name, weights in zip(group.producers, ([1, 3], [1, 3], [800, 0]), strict=True):
        arrays[name][...] = weights
    np.testing.assert_allclose(l1(arrays, group), [(0.5 + 0.5 + 2) / 3, (1.5 + 1.5 + 0) / 3])


@pytest.mark.parametrize("name", CRITERION_NAMES)
def test_criteria_return_one_finite_score_per_filter(name: str) -> None:
    model = make_network(CONFIGS["resnet38"])
    criterion = make_criterion(name)
    for group in trace_groups(model):
        scores = criterion(model.state_dict(), group)
        assert scores.shape == (group.size,)
        assert np.isfinite(scores).all()


def test_random_criterion_depends_on_the_seed() -> None:
    model = make_network()
    keep = [select(model, 0.5, criterion=make_criterion("random", seed)) for seed in (0, 0, 1)]
    assert all(np.array_equal(keep[0][name], keep[1][name]) for name in keep[0])
    assert any(not np.array_equal(keep[0][name], keep[2][name]) for name in keep[0])


def test_unknown_criterion_name() -> None:
    with pytest.raises(ConfigError, match=r"expected a criterion among l1, .*, random, got 'gm'"):
        criterion_from_name("gm", rng=np.random.default_rng(0))


def test_layer_with_zero_weights() -> None:
    model = make_network()
    model.blocks[0].convs[0].weight.data[...] = 0
    np.testing.assert_array_equal(select(model, 0.5)["blocks.0.convs.0"], [0])


# Selection


def test_select_removes_the_lowest_quarter() -> None:
    model = make_network()
    weight = model.blocks[1].convs[0].weight.data  # the 16 real channels are 4 quaternion filters
    weight[...] = xp.asarray([3.0, 1.0, 2.0, 4.0])
    keep = select(model, 0.25, blocks=[1])
    assert list(keep) == ["blocks.1.convs.0"]
    np.testing.assert_array_equal(keep["blocks.1.convs.0"], [0, 2, 3])


def test_residual_sum_is_pruned_with_all_its_blocks() -> None:
    model = make_network(CONFIGS["resnet38"])
    assert list(select(model, 0.5, blocks=[1, 2])) == ["blocks.1.convs.0", "blocks.2.convs.0"]
    assert "blocks.0.convs.1" in select(model, 0.5, blocks=[0, 1, 2])


def test_group_lists_all_arrays_that_shrink() -> None:
    group = trace_groups(make_network())[1]
    assert (group.name, list(group.producers)) == ("blocks.0.convs.1", ["blocks.0.convs.1.weight"])
    assert (list(group.norms), list(group.consumers)) == (["blocks.0.norms.1.weight"], ["blocks.1.convs.0.weight"])
    # 3 filters per component have the real channels 0, 1, 2 | 3, 4, 5 | 6, 7, 8 | 9, 10, 11
    assert group.norms["blocks.0.norms.1.weight"].tolist() == [0, 1, 2] * 4


def test_group_of_a_residual_sum_lists_all_producers_and_consumers() -> None:
    group = trace_groups(make_network(CONFIGS["resnet38"]))[1]
    assert list(group.producers) == [f"blocks.{b}.convs.1.weight" for b in range(3)]
    consumers = ["blocks.1.convs.0", "blocks.2.convs.0", "blocks.3.convs.0", "blocks.3.shortcut"]
    assert sorted(group.consumers) == [f"{name}.weight" for name in consumers]


# Removal of filters


@settings(max_examples=40)
@given(
    name=st.sampled_from(list(CONFIGS)),
    quaternion=st.booleans(),
    ratios=st.lists(st.floats(0, 0.99), min_size=12, max_size=12),
    criterion_name=st.sampled_from(CRITERION_NAMES),
)
def test_pruned_network_equals_masked_network(
    name: str, quaternion: bool, ratios: list[float], criterion_name: str
) -> None:
    model, x = make_network(CONFIGS[name], quaternion=quaternion), make_clips(16, 40)
    groups = zip(trace_groups(model)[:-1], ratios, strict=False)  # each group has its own ratio
    counts = {group.name: group.size - int(ratio * group.size) for group, ratio in groups}
    keep = select(model, counts, criterion=make_criterion(criterion_name))
    expected = asnumpy(mask_filters(model, keep)(x).data)
    assert np.abs(asnumpy(prune_filters(model, keep)(x).data) - expected).max() <= 1e-5 * np.abs(expected).max()


def test_masked_filters_are_not_used() -> None:
    model = make_network()
    masked = mask_filters(model, {"blocks.1.convs.0": np.array([0, 2, 3])})
    before, after = model.state_dict(), masked.state_dict()
    changed = [name for name in before if not np.array_equal(before[name], after[name])]
    assert changed == ["blocks.2.convs.0.weight"]
    np.testing.assert_array_equal(after[changed[0]][..., 1, :], 0)
    np.testing.assert_array_equal(after[changed[0]][..., [0, 2, 3], :], before[changed[0]][..., [0, 2, 3], :])


def test_pruned_network_is_smaller_and_trainable() -> None:
    model = make_network()
    pruned = prune_filters(model, select(model, 0.5))
    assert isinstance(pruned, CNN)
    # the layers keep 1, 2, 2, 2, 1 of 2, 3, 4, 3, 2 quaternion filters
    assert pruned.config.widths == ((4, 8), (8,), (8, 4))
    assert count_parameters(pruned) < count_parameters(model) / 1.5
    assert multiplications(pruned.config, 9)[1] < multiplications(model.config, 9)[1] / 1.5
    logits = pruned(make_clips(), train=True, rng=np.random.default_rng(0))
    logits.backward(np.ones(logits.shape, np.float32))
    assert all(tensor.grad is not None for tensor in pruned.parameters())


def test_pruning_does_not_modify_the_original_network() -> None:
    model = make_network()
    before = model.state_dict()
    prune_filters(model, select(model, 0.5))
    assert all(np.array_equal(before[name], array) for name, array in model.state_dict().items())


@pytest.mark.parametrize(
    ("keep", "message"),
    [
        ({"blocks.9.convs.0": [0]}, "expected names among blocks.0.convs.0, .*, got 'blocks.9.convs.0'"),
        ({"blocks.0.convs.0": []}, "blocks.0.convs.0: expected at least one of the filters 0 to 1"),
        (
            {"blocks.0.convs.0": [0, 2]},
            r"blocks.0.convs.0: expected at least one of the filters 0 to 1, each once, got \[0, 2\]",
        ),
        ({"blocks.0.convs.0": [0, 0]}, "each once"),
    ],
)
def test_invalid_keep_indices(keep: dict, message: str) -> None:
    for function in (prune_filters, mask_filters):
        with pytest.raises(ConfigError, match=message):
            function(make_network(), {name: np.array(filters, int) for name, filters in keep.items()})


def test_select_counts_with_an_unknown_layer() -> None:
    with pytest.raises(ConfigError, match=r"expected names among blocks.0.convs.0, .*, got blocks.1.convs.1"):
        select(make_network(), {"blocks.1.convs.1": 1})


@pytest.mark.parametrize(
    ("ratio", "blocks", "message"),
    [(1.0, None, r"in \[0, 1\)"), (-0.1, None, r"in \[0, 1\)"), (0.5, [3], r"blocks among \[0, 1, 2\], got \[3\]")],
)
def test_select_with_invalid_ratio_or_blocks(ratio: float, blocks: list[int] | None, message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        select(make_network(), ratio, blocks=blocks)


# Budget


@settings(max_examples=20)
@given(
    name=st.sampled_from(list(CONFIGS)),
    shares=st.tuples(st.floats(0.3, 1.2), st.floats(0.3, 1.2)),
    criterion_name=st.sampled_from(["l1", "random"]),
)
def test_budget_is_met_with_as_many_filters_as_possible(name: str, shares: tuple, criterion_name: str) -> None:
    model = make_network(CONFIGS[name])
    budget = budget_from_reference(model.config, 40, multiplications=shares[0], parameters=shares[1])
    keep = select(model, budget, criterion=make_criterion(criterion_name))
    cost = network_cost(prune_filters(model, keep).config, 40)
    assert cost.multiplications_8 <= budget.multiplications
    assert cost.parameters == count_parameters(prune_filters(model, keep)) <= budget.parameters
    # The budget would be exceeded if the filter that was removed last were kept.
    criterion, arrays = make_criterion(criterion_name), model.state_dict()
    groups = trace_groups(model, example=model.example_input(40))
    scores = {group.name: criterion(arrays, group) for group in groups if group.name in keep}
    removed = {name: max(np.delete(part, keep[name]), default=-1) for name, part in scores.items()}
    last = max(removed, key=lambda name: removed[name])
    one_more = dict(keep) | {last: range(len(keep[last]) + 1)}
    assert removed[last] == -1 or not budget.fits(prune_graph(groups, one_more))


def test_budget_removes_the_lowest_scores_of_all_layers() -> None:
    model = make_network(CNNConfig(3, False, ((4,), (4,)), embedding=4, mels=8), quaternion=False)
    model.blocks[0].convs[0].weight.data[...] = xp.asarray([8, 8, 8, 8])  # the four filters have the score 1
    # the filters have the scores 0.5, 0.5, 1.5 and 1.5
    model.blocks[1].convs[0].weight.data[...] = xp.asarray([1, 1, 3, 3])
    full = network_cost(model.config, 8)
    counts = {}
    for excess in (1, 500, 1000):
        keep = select(model, Budget(full.multiplications_8 - excess, full.parameters, 8))
        counts[excess] = {name: list(filters) for name, filters in keep.items()}
    first, second = "blocks.0.convs.0", "blocks.1.convs.0"
    # A filter of the second layer costs 9 · 4 multiplications on each of 4 x 4 pixels and 4 in the embedding: 580.
    # of two equal scores, the first filter is kept
    assert counts[1] == counts[500] == {first: [0, 1, 2, 3], second: [0, 2, 3]}
    assert counts[1000] == {first: [0, 1, 2, 3], second: [2, 3]}


def test_budget_keeps_one_filter_in_each_layer() -> None:
    model = make_network()
    groups = trace_groups(model, example=model.example_input(9))
    cost = count(prune_graph(groups, {group.name: [0] for group in groups if group.name != "embedding"}))
    keep = select(model, Budget(cost.multiplications_8, cost.parameters, 9))
    assert {len(filters) for filters in keep.values()} == {1}
    message = f"still costs {cost.multiplications_8:,} multiplications and {cost.parameters:,} parameters; allow more"
    for limits in ((cost.multiplications_8 - 1, cost.parameters), (cost.multiplications_8, cost.parameters - 1)):
        with pytest.raises(ConfigError, match=f"with one filter in each layer the network {message} than"):
            select(model, Budget(*limits, 9))
        with pytest.raises(ConfigError, match=message):  # the error is raised before the first round
            budget_selectors(model, Budget(*limits, 9), 2)


def test_budget_from_reference() -> None:
    real = config_from_dict({**vars(SMALL), "quaternion": False})
    cost = network_cost(real, 9)
    assert budget_from_reference(real, 9) == Budget(cost.multiplications_8 // 2, cost.parameters // 5, 9)
    for shares in ({"multiplications": 0.0}, {"parameters": -1.0}, {"parameters": float("nan")}):
        with pytest.raises(ConfigError, match=r"in \(0, inf\)"):
            budget_from_reference(real, 9, **shares)


# Rounds


def test_ratio_rounds_end_at_the_one_shot_size() -> None:
    model, fine_tuned = make_network(CONFIGS["cnn14"]), []
    pruned = prune_gradually(model, ratio_selectors(model, 0.5, 3, blocks=[1, 2]), fine_tuned.append)
    assert pruned.config == prune_filters(model, select(model, 0.5, blocks=[1, 2])).config
    assert len(fine_tuned) == 3
    assert fine_tuned[-1] is pruned
    sizes = [count_parameters(network) for network in (model, *fine_tuned)]
    assert sizes == sorted(sizes, reverse=True)


def test_each_round_scores_the_fine_tuned_network() -> None:
    model = make_network()
    name = "blocks.1.convs.0"

    def reverse_scores(model: Network) -> None:
        model.blocks[1].convs[0].weight.data[...] = xp.arange(model.blocks[1].convs[0].weight.shape[-1])

    model.blocks[1].convs[0].weight.data[...] = xp.asarray([9, 8, 2, 1])
    selectors = ratio_selectors(model, 0.5, 2, blocks=[1])
    assert list(selectors[0](model)[name]) == [0, 1, 2]
    pruned = prune_gradually(model, selectors[:1], reverse_scores)
    assert list(selectors[1](pruned)[name]) == [1, 2]


def test_budget_rounds_end_within_the_budget() -> None:
    model = make_network(CONFIGS["resnet38"])
    budget = budget_from_reference(model.config, 40, multiplications=0.5, parameters=0.9)
    costs = []
    pruned = prune_gradually(
        model, budget_selectors(model, budget, 3), lambda network: costs.append(network_cost(network.config, 40))
    )
    products = [cost.multiplications_8 for cost in costs]
    full = network_cost(model.config, 40).multiplications_8
    assert products == sorted(products, reverse=True)
    assert full / 2 < products[1] <= full * (1 - 0.5 * 2 / 3) + 1
    assert budget.fits(trace_groups(pruned, example=pruned.example_input(40)).labels.graph)


@pytest.mark.parametrize("rounds", [0, -1])
def test_number_of_rounds_below_1(rounds: int) -> None:
    with pytest.raises(ConfigError, match=f"rounds must be an integer of at least 1, got {rounds}"):
        ratio_selectors(make_network(), 0.5, rounds)
    with pytest.raises(ConfigError, match=f"rounds must be an integer of at least 1, got {rounds}"):
        budget_selectors(make_network(), Budget(frames=9), rounds)


# Savings


def test_layer_savings_and_their_table() -> None:
    model = make_network()
    pruned = prune_filters(model, {"blocks.1.convs.0": np.array([0, 2, 3])})
    rows = {row.name: row for row in layer_savings(SMALL, pruned.config, 9)}
    assert rows["blocks.1.convs.0"][1:5] == (4, 3, 9 * 12 * 4 + 32, (9 * 12 * 4 + 32) // 4)
    assert rows["blocks.0.convs.1"].parameters_saved == 0
    # each of the 3 filters loses inputs with 9 taps of 4 components
    assert rows["blocks.2.convs.0"].parameters_saved == 9 * 4 * 3
    network_row = rows["network"]
    assert network_row[1:3] == (14, 13)
    assert network_row.parameters_saved == count_parameters(model) - count_parameters(pruned)
    assert network_row.multiplications_saved == multiplications(SMALL, 9)[1] - multiplications(pruned.config, 9)[1]
    lines = savings_table(layer_savings(SMALL, pruned.config, 9)).splitlines()
    assert len(lines) == 1 + len(rows)
    assert lines[3].split() == ["blocks.1.convs.0", "4", "3", "464", "25%", "0.01", "M", "25%"]
