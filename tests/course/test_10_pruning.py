"""Pruning: which filters go, what goes with them, and that nothing else changes.

A quaternion filter leaves as a whole, and takes along the batch norm entries and the inputs of the next layers that
belonged to it; in a residual network also its namesakes in every layer that adds to the same sum. The cut network must
answer exactly as the large one does with those filters silenced. Which filters matter least is a guess, and here are
seven of them; how many go is a share of each layer, or follows from a budget for the whole network.
"""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from quatnet.backend import asnumpy, xp
from quatnet.errors import ConfigError
from quatnet.models import CNN, CNNConfig, Network, ResNetConfig, build, config_of, shared_channels, with_filters
from quatnet.profile import count_parameters, multiplications, network_cost
from quatnet.prune import (
    CRITERIA,
    Budget,
    batch_norm,
    budget_from_reference,
    budget_rounds,
    criterion_from_name,
    geometric_median_scores,
    l1,
    l1_scores,
    l2_scores,
    layer_savings,
    mask_filters,
    operator_norm_scores,
    plan,
    prune_filters,
    prune_gradually,
    ratio_rounds,
    released_scores,
    savings_table,
    select,
    select_counts,
    select_for_budget,
)
from quatnet.quaternion import hamilton_product

SMALL = CNNConfig(3, True, ((8, 12), (16,), (12, 8)), embedding=8, mels=8)
STILL = {"block_dropout": 0.0, "head_dropout": 0.0}
WIDTHS = ((8, 8), (12, 8), (8, 8), (16, 24), (24, 24), (32, 16))
EVERY_KIND = {
    "cnn6": CNNConfig(3, True, ((8,), (16,), (24,)), 16, mels=16, kernel_size=5, last_pool=True, **STILL),
    "cnn10": CNNConfig(3, True, ((8, 8), (16, 24)), 16, mels=16, last_pool=True, **STILL),
    "cnn14": CNNConfig(3, True, ((8, 8), (16, 24), (32, 16)), 16, mels=16, **STILL),
    "small_cnn": CNNConfig(3, True, ((8,), (16,), (12, 8)), 8, mels=16, input_norm="cell", **STILL),
    "resnet38": ResNetConfig(3, True, WIDTHS, 16, mels=16, stages=(2, 2), residual_dropout=0.0, **STILL),
}


def network(config=SMALL, seed: int = 0, quaternion: bool = True) -> Network:
    """A network whose batch norms are not at their start, so that a wrong cut shows."""
    rng = np.random.default_rng(seed + 1)
    model = build(config_of({**vars(config), "quaternion": quaternion}), rng=np.random.default_rng(seed))
    model.load_state_dict(
        {name: array + rng.random(array.shape).astype(np.float32) for name, array in model.state_dict().items()}
    )
    return model


def clips(mels: int = 8, frames: int = 9) -> np.ndarray:
    return np.random.default_rng(7).standard_normal((3, frames, mels, 4)).astype(np.float32)


# What a filter weighs


def test_the_score_of_a_filter_adds_all_taps_and_all_four_components() -> None:
    weight = np.zeros((4, 3, 3, 1, 2))
    weight[0, 0, 0, 0, 0] = 1.5  # filter 0 is strong in one corner of the real part, and nowhere else
    weight[..., 1] = -0.1  # filter 1 is weak everywhere: 36 * 0.1 = 3.6 > 1.5
    np.testing.assert_allclose(l1_scores(weight), [1.5, 3.6])
    np.testing.assert_allclose(l2_scores(weight), [1.5, 0.6])  # √(36 · 0.01): squares prefer the strong corner


def test_the_released_score_sees_the_corner_alone() -> None:
    weight = np.ones((4, 3, 3, 1, 2))
    weight[:, 0, 0, 0, 0] = 0.0  # all but the corner is strong, and yet it weighs nothing
    weight[:, :, :, 0, 1] *= 0.01
    np.testing.assert_allclose(released_scores(weight), [0, 1])
    weight[0, 0, 0, 0] = [3, 1]  # relative to the largest of each component: (1 + 0 + 0 + 0) / 4, (1/3 + 3) / 4
    np.testing.assert_allclose(released_scores(weight), [1 / 4, 10 / 12])
    np.testing.assert_allclose(released_scores(weight[0]), [1, 1 / 3])  # a real filter is one component


def test_the_filter_in_the_middle_of_the_others_says_least() -> None:
    weight = np.zeros((1, 1, 2, 5))  # five filters of two numbers: a square, and its centre far from 0
    weight[0, 0] = np.array([[9, 11], [11, 11], [9, 9], [11, 9], [10, 10]]).T
    scores = geometric_median_scores(weight)
    np.testing.assert_allclose(scores[4], 4 * np.sqrt(2))
    np.testing.assert_allclose(scores[:4], 4 + 3 * np.sqrt(2))  # 2 + 2 + 2√2 to the other corners, √2 to the centre
    assert np.argmin(l1_scores(weight)) == 2  # which a norm would have cut


def test_the_operator_norm_is_the_largest_answer_to_a_mixture_of_inputs() -> None:
    weight = np.zeros((1, 2, 2, 2))
    weight[0, :, :, 0] = np.diag(
        [3, 4]
    )  # two taps that listen to different inputs: no mixture of length 1 excites both
    weight[0, :, :, 1] = 2  # two taps that listen to the same mixture
    np.testing.assert_allclose(operator_norm_scores(weight), [4, 4])
    np.testing.assert_allclose(l2_scores(weight), [5, 4])


@settings(max_examples=20)
@given(seed=st.integers(0, 99), taps=st.integers(1, 3), inputs=st.integers(1, 3), filters=st.integers(1, 4))
def test_no_quaternion_input_is_answered_by_more_than_the_operator_norm(seed, taps, inputs, filters) -> None:
    rng = np.random.default_rng(seed)
    weight = rng.standard_normal((4, 1, taps, inputs, filters))
    x = rng.standard_normal((4, inputs))
    answer = asnumpy(hamilton_product(weight[:, 0], x[:, None, :, None], axis=0)).sum(axis=2)  # (4, taps, filters)
    length = np.linalg.norm(answer, axis=(0, 1)) / np.linalg.norm(x)
    norms = operator_norm_scores(weight)
    assert (length <= norms * (1 + 1e-9)).all()
    assert (norms <= l2_scores(weight) * (1 + 1e-9)).all()
    if inputs == 1:  # one quaternion alone keeps its length: every direction is answered alike
        np.testing.assert_allclose(length, norms)


@settings(max_examples=20)
@given(seed=st.integers(0, 99), components=st.sampled_from([(), (4,)]), filters=st.integers(1, 5))
def test_the_scores_agree_with_loops(seed: int, components: tuple[int, ...], filters: int) -> None:
    weight = np.random.default_rng(seed).standard_normal((*components, 2, 3, 2, filters))
    each = [weight[..., o].ravel() for o in range(filters)]
    np.testing.assert_allclose(l1_scores(weight), [sum(map(abs, one)) for one in each])
    np.testing.assert_allclose(l2_scores(weight), [sum(a * a for a in one) ** 0.5 for one in each])
    distances = [sum(sum((a - b) ** 2 for a, b in zip(one, two, strict=True)) ** 0.5 for two in each) for one in each]
    np.testing.assert_allclose(geometric_median_scores(weight), distances, rtol=1e-6)
    corner = weight.reshape(-1, 2, 3, 2, filters)[:, 0, 0]
    parts = [np.array([sum(map(abs, part[:, o])) for o in range(filters)]) for part in corner]
    np.testing.assert_allclose(released_scores(weight), sum(part / max(part) for part in parts) / len(parts))


@pytest.mark.parametrize("name", ["l1", "l2", "geometric_median", "operator_norm"])
@pytest.mark.parametrize("quaternion", [False, True])
def test_turning_all_filters_together_changes_no_true_norm_of_a_quaternion(name: str, quaternion: bool) -> None:
    """q ⊗ w for one unit q is the same filter seen from another side. The L1 norm does not know that."""
    rng = np.random.default_rng(0)
    weight = rng.standard_normal((4, 3, 3, 2, 5))
    turn = rng.standard_normal(4)
    turned = asnumpy(hamilton_product(turn / np.linalg.norm(turn), np.moveaxis(weight, 0, -1)))
    score = {"l1": l1_scores, "l2": l2_scores, "geometric_median": geometric_median_scores}.get(
        name, operator_norm_scores
    )
    same = np.allclose(score(np.moveaxis(turned, -1, 0)), score(weight))
    assert same == (name != "l1")


def test_the_scale_of_the_batch_norms_scores_its_four_channels_together() -> None:
    model = network()
    group = shared_channels(SMALL)[0]  # 8 real channels: 2 quaternion filters
    model.blocks[0].norms[0].weight.data[...] = xp.asarray([1, 0, -1, 0, 2, 0, 0, 4])
    np.testing.assert_allclose(batch_norm(model.state_dict(), group), [1, 1])
    model.blocks[0].norms[0].weight.data[...] = xp.asarray([3, 1, -3, -1, 3, 1, 3, 1])
    np.testing.assert_allclose(batch_norm(model.state_dict(), group), [1.5, 0.5])


def test_all_writers_of_a_sum_have_one_vote_each() -> None:
    config = EVERY_KIND["resnet38"]
    model, group = network(config), shared_channels(config)[1]
    assert len(group.producers) == 3
    arrays = model.state_dict()
    for name, weights in zip(group.producers, ([1, 3], [1, 3], [800, 0]), strict=True):
        arrays[f"{name}.weight"][...] = weights
    np.testing.assert_allclose(l1(arrays, group), [(0.5 + 0.5 + 2) / 3, (1.5 + 1.5 + 0) / 3])


@pytest.mark.parametrize("name", [*CRITERIA, "random"])
def test_every_criterion_gives_each_filter_a_number(name: str) -> None:
    model = network(EVERY_KIND["resnet38"])
    criterion = criterion_from_name(name, rng=np.random.default_rng(0))
    for group in shared_channels(model.config):
        scores = criterion(model.state_dict(), group)
        assert scores.shape == (model.state_dict()[f"{group.producers[0]}.weight"].shape[-1],)
        assert np.isfinite(scores).all()


def test_the_random_criterion_is_drawn_from_its_generator() -> None:
    model = network()
    kept = [
        select(model, 0.5, criterion=criterion_from_name("random", rng=np.random.default_rng(s))) for s in (0, 0, 1)
    ]
    assert all(np.array_equal(kept[0][name], kept[1][name]) for name in kept[0])
    assert any(not np.array_equal(kept[0][name], kept[2][name]) for name in kept[0])


def test_a_criterion_that_nobody_knows_is_refused() -> None:
    with pytest.raises(ConfigError, match=r"expected a criterion among l1, .*, random, got 'gm'"):
        criterion_from_name("gm", rng=np.random.default_rng(0))


def test_a_layer_of_zeros_has_scores_too() -> None:
    model = network()
    model.blocks[0].convs[0].weight.data[...] = 0
    np.testing.assert_array_equal(select(model, 0.5)["blocks.0.convs.0"], [0])


# Which filters stay


def test_the_weakest_quarter_goes() -> None:
    model = network()
    weight = model.blocks[1].convs[0].weight.data  # 16 real channels: 4 quaternion filters
    weight[...] = xp.asarray([3.0, 1.0, 2.0, 4.0])
    kept = select(model, 0.25, blocks=[1])
    assert list(kept) == ["blocks.1.convs.0"]
    np.testing.assert_array_equal(kept["blocks.1.convs.0"], [0, 2, 3])


def test_a_residual_sum_is_cut_where_all_of_its_blocks_are_chosen() -> None:
    model = network(EVERY_KIND["resnet38"])
    assert list(select(model, 0.5, blocks=[1, 2])) == ["blocks.1.convs.0", "blocks.2.convs.0"]
    assert "blocks.0.convs.1" in select(model, 0.5, blocks=[0, 1, 2])


def test_the_plan_names_everything_that_must_shrink() -> None:
    slices = plan(SMALL, {"blocks.0.convs.1": np.array([0, 2])})
    norms = [f"blocks.0.norms.1.{part}" for part in ("weight", "bias", "running_mean", "running_var")]
    assert [part.name for part in slices] == ["blocks.0.convs.1.weight", *norms, "blocks.1.convs.0.weight"]
    # quaternion filters 0 and 2 of 3 write the real channels 0, 2 | 3, 5 | 6, 8 | 9, 11
    np.testing.assert_array_equal(slices[1].keep, [0, 2, 3, 5, 6, 8, 9, 11])
    assert plan(SMALL, {"blocks.2.convs.1": np.array([1])})[-1].name == "embedding.weight"


def test_a_residual_sum_shrinks_wherever_it_is_written_and_read() -> None:
    names = [part.name for part in plan(EVERY_KIND["resnet38"], {"blocks.0.convs.1": np.array([1])})]
    assert names[:3] == ["blocks.0.convs.1.weight", "blocks.1.convs.1.weight", "blocks.2.convs.1.weight"]
    consumers = ["blocks.1.convs.0", "blocks.2.convs.0", "blocks.3.shortcut", "blocks.3.convs.0"]
    assert names[-4:] == [f"{name}.weight" for name in consumers]


# The cut is exact


@settings(max_examples=40)
@given(
    kind=st.sampled_from(list(EVERY_KIND)),
    quaternion=st.booleans(),
    ratios=st.lists(st.floats(0, 0.99), min_size=12, max_size=12),
    criterion=st.sampled_from([*CRITERIA, "random"]),
)
def test_the_cut_network_equals_the_masked_one(
    kind: str, quaternion: bool, ratios: list[float], criterion: str
) -> None:
    model, x = network(EVERY_KIND[kind], quaternion=quaternion), clips(16, 40)
    scored = criterion_from_name(criterion, rng=np.random.default_rng(0))
    groups = zip(shared_channels(model.config), ratios, strict=False)
    kept = {}
    for group, ratio in groups:  # a share of its own for each layer
        count = model.state_dict()[f"{group.producers[0]}.weight"].shape[-1]
        kept |= select_counts(model, {group.producers[0]: count - int(ratio * count)}, criterion=scored)
    expected = asnumpy(mask_filters(model, kept)(x).data)
    assert np.abs(asnumpy(prune_filters(model, kept)(x).data) - expected).max() <= 1e-5 * np.abs(expected).max()


def test_a_masked_filter_is_silent_and_the_others_are_not() -> None:
    model = network()
    kept = {"blocks.1.convs.0": np.array([0, 2, 3])}
    first = model.blocks[0](model.normalized(clips(), train=False), train=False)
    maps = [part.blocks[1](first, train=False).data for part in (model, mask_filters(model, kept))]
    maps = [asnumpy(each).reshape(-1, 4, 4) for each in maps]
    assert np.abs(maps[0][:, :, 1]).max() > 0
    np.testing.assert_array_equal(maps[1][:, :, 1], 0)
    np.testing.assert_array_equal(maps[1][:, :, [0, 2, 3]], maps[0][:, :, [0, 2, 3]])


def test_a_cut_network_is_smaller_and_can_be_trained_on() -> None:
    model = network()
    small = prune_filters(model, select(model, 0.5))
    assert isinstance(small, CNN)
    assert small.config.widths == ((4, 8), (8,), (8, 4))  # of 2, 3, 4, 3, 2 quaternion filters 1, 2, 2, 2, 1 stay
    assert count_parameters(small) < count_parameters(model) / 1.5
    assert multiplications(small.config, 9)[1] < multiplications(model.config, 9)[1] / 1.5
    logits = small(clips(), train=True, rng=np.random.default_rng(0))
    logits.backward(np.ones(logits.shape, np.float32))
    assert all(tensor.grad is not None for tensor in small.parameters())


def test_cutting_leaves_the_large_network_as_it_was() -> None:
    model = network()
    before = model.state_dict()
    prune_filters(model, select(model, 0.5))
    assert all(np.array_equal(before[name], array) for name, array in model.state_dict().items())


@pytest.mark.parametrize(
    ("kept", "message"),
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
def test_filters_that_do_not_exist_are_refused(kept: dict, message: str) -> None:
    for use in (prune_filters, mask_filters):
        with pytest.raises(ConfigError, match=message):
            use(network(), {name: np.array(filters, int) for name, filters in kept.items()})


def test_a_choice_for_a_layer_that_does_not_exist_is_refused() -> None:
    with pytest.raises(ConfigError, match=r"expected names among blocks.0.convs.0, .*, got blocks.1.convs.1"):
        select_counts(network(), {"blocks.1.convs.1": 1})


@pytest.mark.parametrize(
    ("ratio", "blocks", "message"),
    [(1.0, None, "0 <= ratio < 1"), (-0.1, None, "0 <= ratio < 1"), (0.5, [3], r"blocks among \[0, 1, 2\], got \[3\]")],
)
def test_an_impossible_cut_is_refused(ratio: float, blocks: list[int] | None, message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        select(network(), ratio, blocks=blocks)


# A budget


@settings(max_examples=20)
@given(
    kind=st.sampled_from(list(EVERY_KIND)),
    share=st.tuples(st.floats(0.3, 1.2), st.floats(0.3, 1.2)),
    criterion=st.sampled_from(["l1", "random"]),
)
def test_a_budget_is_kept_and_one_more_filter_would_break_it(kind: str, share: tuple, criterion: str) -> None:
    model = network(EVERY_KIND[kind])
    budget = budget_from_reference(model.config, 40, multiplications=share[0], parameters=share[1])
    kept = select_for_budget(model, budget, criterion=criterion_from_name(criterion, rng=np.random.default_rng(0)))
    cost = network_cost(prune_filters(model, kept).config, 40)
    assert cost.multiplications_8 <= budget.multiplications
    assert cost.parameters == count_parameters(prune_filters(model, kept)) <= budget.parameters
    scored, arrays = criterion_from_name(criterion, rng=np.random.default_rng(0)), model.state_dict()
    scores = {group.producers[0]: scored(arrays, group) for group in shared_channels(model.config)}
    gone = {name: max(np.delete(part, kept[name]), default=-1) for name, part in scores.items()}
    last = max(gone, key=lambda name: gone[name])
    counts = {name: len(filters) for name, filters in kept.items()}
    assert gone[last] == -1 or not budget.fits(with_filters(model.config, counts | {last: counts[last] + 1}))


def test_the_weakest_filters_of_all_layers_go_and_no_more_than_needed() -> None:
    model = network(CNNConfig(3, False, ((4,), (4,)), embedding=4, mels=8), quaternion=False)
    model.blocks[0].convs[0].weight.data[...] = xp.asarray([8, 8, 8, 8])  # all alike: each has the mean score 1
    model.blocks[1].convs[0].weight.data[...] = xp.asarray([1, 1, 3, 3])  # 0.5, 0.5, 1.5, 1.5: two weak ones
    full = network_cost(model.config, 8)
    counts = {}
    for gone in (1, 500, 1000):
        kept = select_for_budget(model, Budget(full.multiplications_8 - gone, full.parameters, 8))
        counts[gone] = {name: list(filters) for name, filters in kept.items()}
    first, second = "blocks.0.convs.0", "blocks.1.convs.0"
    # a filter of the second layer costs 9 · 4 products on 4 x 4 pixels, and 4 in the embedding: 580
    assert counts[1] == counts[500] == {first: [0, 1, 2, 3], second: [0, 2, 3]}  # of equals the first stays
    assert counts[1000] == {first: [0, 1, 2, 3], second: [2, 3]}


def test_the_last_filter_of_a_layer_stays() -> None:
    model = network()
    least = with_filters(SMALL, {group.producers[0]: 1 for group in shared_channels(SMALL)})
    cost = network_cost(least, 9)
    kept = select_for_budget(model, Budget(cost.multiplications_8, cost.parameters, 9))
    assert {len(filters) for filters in kept.values()} == {1}
    said = f"still costs {cost.multiplications_8:,} multiplications and {cost.parameters:,} parameters; allow more than"
    for tight in ((cost.multiplications_8 - 1, cost.parameters), (cost.multiplications_8, cost.parameters - 1)):
        with pytest.raises(ConfigError, match=f"with one filter in each layer the network {said}"):
            select_for_budget(model, Budget(*tight, 9))
        with pytest.raises(ConfigError, match=said):  # before anything is trained
            budget_rounds(SMALL, Budget(*tight, 9), 2)


def test_a_budget_is_a_share_of_what_a_reference_costs() -> None:
    real = config_of({**vars(SMALL), "quaternion": False})
    cost = network_cost(real, 9)
    assert budget_from_reference(real, 9) == Budget(cost.multiplications_8 // 2, cost.parameters // 5, 9)
    for shares in ({"multiplications": 0.0}, {"parameters": -1.0}, {"parameters": float("nan")}):
        with pytest.raises(ConfigError, match="expected shares above 0"):
            budget_from_reference(real, 9, **shares)


# In rounds


def test_rounds_of_a_share_end_where_one_shot_ends() -> None:
    model, met = network(EVERY_KIND["cnn14"]), []
    small = prune_gradually(model, ratio_rounds(model.config, 0.5, 3, blocks=[1, 2]), met.append)
    assert small.config == prune_filters(model, select(model, 0.5, blocks=[1, 2])).config
    assert len(met) == 3
    assert met[-1] is small
    sizes = [count_parameters(part) for part in (model, *met)]
    assert sizes == sorted(sizes, reverse=True)


def test_what_is_learned_between_the_rounds_decides_the_next() -> None:
    model = network()
    name = "blocks.1.convs.0"

    def prefer_the_last(model: Network) -> None:
        model.blocks[1].convs[0].weight.data[...] = xp.arange(model.blocks[1].convs[0].weight.shape[-1])

    model.blocks[1].convs[0].weight.data[...] = xp.asarray([9, 8, 2, 1])
    rounds = ratio_rounds(SMALL, 0.5, 2, blocks=[1])
    assert list(rounds[0](model)[name]) == [0, 1, 2]
    small = prune_gradually(model, rounds[:1], prefer_the_last)
    assert list(rounds[1](small)[name]) == [1, 2]


def test_rounds_of_a_budget_end_within_it() -> None:
    model = network(EVERY_KIND["resnet38"])
    budget = budget_from_reference(model.config, 40, multiplications=0.5, parameters=0.9)
    costs = []
    small = prune_gradually(
        model, budget_rounds(model.config, budget, 3), lambda part: costs.append(network_cost(part.config, 40))
    )
    products = [cost.multiplications_8 for cost in costs]
    full = network_cost(model.config, 40).multiplications_8
    assert products == sorted(products, reverse=True)
    assert full / 2 < products[1] <= full * (1 - 0.5 * 2 / 3) + 1
    assert budget.fits(small.config)


@pytest.mark.parametrize("rounds", [0, -1])
def test_no_rounds_are_refused(rounds: int) -> None:
    with pytest.raises(ConfigError, match=f"expected at least 1 round, got {rounds}"):
        ratio_rounds(SMALL, 0.5, rounds)
    with pytest.raises(ConfigError, match=f"expected at least 1 round, got {rounds}"):
        budget_rounds(SMALL, budget_from_reference(SMALL, 9, multiplications=1, parameters=1), rounds)


# The report


def test_the_report_says_what_each_layer_kept_and_saves() -> None:
    model = network()
    small = prune_filters(model, {"blocks.1.convs.0": np.array([0, 2, 3])})
    rows = {row.name: row for row in layer_savings(SMALL, small.config, 9)}
    assert rows["blocks.1.convs.0"][1:5] == (4, 3, 9 * 12 * 4 + 32, (9 * 12 * 4 + 32) // 4)
    assert rows["blocks.0.convs.1"].parameters_saved == 0
    assert rows["blocks.2.convs.0"].parameters_saved == 9 * 4 * 3  # what it read of the filter: 4 numbers in 3 filters
    network_row = rows["network"]
    assert network_row[1:3] == (14, 13)
    assert network_row.parameters_saved == count_parameters(model) - count_parameters(small)
    assert network_row.multiplications_saved == multiplications(SMALL, 9)[1] - multiplications(small.config, 9)[1]
    text = savings_table(SMALL, small.config, 9).splitlines()
    assert len(text) == 1 + len(rows)
    assert text[3].split() == ["blocks.1.convs.0", "4", "3", "464", "25%", "0.01", "M", "25%"]
