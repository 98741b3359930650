"""What has to be done for some claims, in which order, and what is shared."""

from pathlib import Path
from typing import Any

import pytest
from claims_helpers import PARAMETERS, claim, plan, result_of

from pmd_pipeline.claims.costs import UnitCosts
from pmd_pipeline.claims.store import ResultStore
from pmd_pipeline.config.claims import ClaimsError

_CHOSEN = {"taus": {"algorithm.tau": 0.3}}


@pytest.fixture
def store(tmp_path: Path) -> ResultStore:
    return ResultStore(tmp_path)


def test_claims_share_units_and_every_claim_gets_a_pair_before_any_gets_its_next() -> None:
    pairs = plan().pair_units(_CHOSEN)
    assert [{unit.seeds.training for unit in pair} for pair in pairs] == [{11}, {12}]
    # Tuned and plain, once for two claims; fixed and plain alone, as their seconds count.
    assert [[unit.label for unit in pair] for pair in pairs] == 2 * [
        ["pmd_mean", "grpo", "pmd_mean", "grpo"]
    ]
    assert [unit.alone for unit in pairs[0]] == [False, False, True, True]


def test_an_arm_is_trained_with_what_its_tuning_chose_under_what_it_says_itself() -> None:
    arms = {
        "tuned": {"algorithm": "pmd_mean", "tuning": "taus"},
        "own": {
            "algorithm": "pmd_mean",
            "tuning": "taus",
            "parameters": {"algorithm.tau": 1e-6, "training.optimizer.learning_rate": 0.5},
        },
    }
    test = {
        "kind": "difference",
        "comparisons": [{"first": "tuned", "second": "own"}],
        "wanted": "better",
    }
    declared = claim(arms=arms, test=test, parameters={"training.group_size": 4})
    units = plan(claims={"one": declared}).claim_units("one", _CHOSEN)
    tuned, own = (units[arm][0] for arm in ("tuned", "own"))
    assert tuned.settings()["algorithm"]["tau"] == 0.3
    assert own.settings()["algorithm"]["tau"] == 1e-6
    assert own.experiment.training.optimizer.learning_rate == 0.5
    assert tuned.num_rollouts == own.num_rollouts == 2 * 2 * 4


def test_a_tuning_is_judged_on_other_problems_and_with_other_seeds(store: ResultStore) -> None:
    work = plan("first")
    units = work.tuning_units()
    seeds = {unit.seeds for unit in units}
    assert all(unit.on_validation for unit in units)
    assert seeds.isdisjoint(work.pairs)
    assert work.outcome("taus", store) is None
    store.write(units[0], result_of(units[0], num_right=2))
    assert work.chosen(store) == {}
    store.write(units[1], result_of(units[1], num_right=3))
    assert work.chosen(store) == _CHOSEN
    outcome = work.outcomes(store)["taus"]
    assert [trial.accuracy for trial in outcome.trials] == [0.5, 0.75]


def test_only_pairs_on_which_every_arm_is_finished_count(store: ResultStore) -> None:
    work = plan("first")
    for unit in work.tuning_units():
        store.write(unit, result_of(unit))
    units = work.claim_units("first", work.chosen(store))
    store.write(units["tuned"][0], result_of(units["tuned"][0]))
    for unit in (units["plain"][1], units["tuned"][1]):
        store.write(unit, result_of(unit, num_right=4))
    found = work.results("first", store)
    assert [seeds.training for seeds in found.seeds] == [12]
    assert found.final_accuracies("plain").tolist() == [[1.0]]
    assert found.num_pairs == 2


def test_before_its_tuning_is_finished_a_claim_has_no_pair(store: ResultStore) -> None:
    found = plan("first").results("first", store)
    assert found.seeds == ()
    assert found.arms["plain"] == ()


def test_a_wrong_parameter_of_an_arm_is_named_before_anything_runs() -> None:
    arms = claim()["arms"] | {"plain": {"algorithm": "grpo", "parameters": {"algorithm.tau": 1}}}
    with pytest.raises(ClaimsError, match=r"(?s)claims\.one\.arms\.plain: .*algorithms\.grpo\.tau"):
        plan(claims={"one": claim(arms=arms)})


def test_an_algorithm_that_the_environment_does_not_have_is_named() -> None:
    arms = claim()["arms"] | {"plain": {"algorithm": "gspo"}}
    with pytest.raises(ClaimsError, match="'gspo'; the section algorithms defines: pmd_mean, grpo"):
        plan(claims={"one": claim(arms=arms)})


def test_a_unit_that_is_not_done_costs_what_its_kind_has_cost(store: ResultStore) -> None:
    work = plan("alone")
    units = work.claim_units("alone", {})
    assert UnitCosts(units["plain"], store).seconds(units["plain"][0]) is None
    store.write(units["plain"][0], result_of(units["plain"][0], seconds=6.0))
    costs = UnitCosts(units["plain"], store)
    assert costs.seconds(units["plain"][1]) == 6.0
    assert costs.seconds(units["fixed"][0]) == 6.0  # of another kind, with as many rollouts
    longer = claim(parameters={"training.num_phases": 6})
    assert costs.seconds(plan(claims={"one": longer}).claim_units("one", {})["plain"][0]) == 18.0


@pytest.mark.parametrize(
    ("changed", "is_same"),
    [
        ({"training.optimizer.learning_rate": 2e-3}, False),
        ({"algorithm.clip_low": 0.1}, False),
        ({"training.optimizer.learning_rate": 1e-3, "algorithm.clip_low": 0.2}, True),
        ({"evaluation.interval_level": 0.9}, True),
    ],
)
def test_what_decides_a_result_decides_its_file(changed: dict[str, Any], is_same: bool) -> None:
    arms = claim()["arms"] | {"plain": {"algorithm": "grpo", "parameters": changed}}
    keys = [
        plan(claims={"one": declared}).claim_units("one", {})["plain"][0].key
        for declared in (claim(), claim(arms=arms))
    ]
    assert (keys[0] == keys[1]) is is_same


def test_a_damaged_file_and_one_of_other_defaults_are_no_results(
    store: ResultStore, tmp_path: Path
) -> None:
    unit = plan("alone").claim_units("alone", {})["plain"][0]
    other = result_of(unit)
    settings = unit.settings()
    settings["algorithm"]["dual_clip"] = 3.0  # a default that was another one
    store.write(unit, result_of(unit))
    assert ResultStore(tmp_path).read(unit) == other
    path = store.path(unit)
    path.write_text(path.read_text().replace('"num_samples": 4', '"num_samples": 5'))
    assert ResultStore(tmp_path).read(unit) is None
    store.write(unit, result_of(unit, seconds=2.0))
    object.__setattr__(other, "settings", settings)
    store.write(unit, other)
    assert ResultStore(tmp_path).read(unit) is None
    del settings["algorithm"]["dual_clip"]  # an option that came with another version
    store.write(unit, other)
    assert ResultStore(tmp_path).read(unit) is not None


def test_the_parameters_stay_as_they_are() -> None:
    plan()
    assert PARAMETERS["training"]["algorithms"] == ["pmd_mean", "grpo"]
    assert list(PARAMETERS["data_preparation"]["evals"]) == ["addition"]


def test_more_pairs_than_are_declared_are_refused_with_the_reason() -> None:
    assert plan(num_pairs=10).num_pairs == 10
    with pytest.raises(ClaimsError, match=r"11 pairs of seeds are wanted.*declare 10\..*is fixed"):
        plan(num_pairs=11)
