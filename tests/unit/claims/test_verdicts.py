"""Verdicts of made-up results, of which they are known."""

import math
from dataclasses import replace

import numpy as np
import pytest
from claim_plants import CLAIMS, PLANTS, Plant, planted

from pmd_pipeline.claims.results import ClaimResults
from pmd_pipeline.claims.verdicts.findings import (
    difference_findings,
    flatness_finding,
    per_pair_findings,
    plain_finding,
)
from pmd_pipeline.claims.verdicts.judge import judge
from pmd_pipeline.claims.verdicts.log_ratios import round_measure
from pmd_pipeline.claims.verdicts.outlook import disagreements, needed
from pmd_pipeline.claims.verdicts.records import (
    ClaimVerdict,
    Finding,
    Outcome,
    all_of,
    any_of,
    decisive,
)
from pmd_pipeline.claims.verdicts.seconds import reaching_seconds
from pmd_pipeline.claims.verdicts.shift import binned
from pmd_pipeline.config.claim_tests import DifferenceTest, DropTest

_CASES = [(name, outcome) for name, plants in PLANTS.items() for outcome in plants]


def _verdict(name: str, outcome: str, *, num_pairs: int = 10) -> ClaimVerdict:
    return judge(CLAIMS[name], planted(PLANTS[name][outcome], num_pairs=num_pairs))


@pytest.mark.parametrize(("name", "outcome"), _CASES)
def test_a_planted_effect_has_its_verdict(name: str, outcome: str) -> None:
    verdict = _verdict(name, outcome)
    assert verdict.outcome == outcome, verdict.sentence
    assert verdict.judgement is not None
    assert verdict.judgement.headline in verdict.judgement.findings
    assert verdict.judgement.panels
    assert verdict.num_pairs == verdict.num_declared_pairs == 10


@pytest.mark.parametrize("name", ["beats_grpo", "unstable", "explodes", "conservative", "quick"])
def test_from_fewer_pairs_than_the_claim_asks_for_it_cannot_be_told(name: str) -> None:
    verdict = _verdict(name, "holds", num_pairs=3)
    assert verdict.outcome is Outcome.CANNOT_BE_TOLD
    assert "3 pairs of seeds are too few: the claim asks for at least 5" in verdict.sentence
    assert (verdict.num_pairs, verdict.num_declared_pairs) == (3, 10)


def test_a_claim_without_a_complete_pair_says_so() -> None:
    empty = ClaimResults(seeds=(), arms=dict.fromkeys(CLAIMS["quick"].arms, ()), num_pairs=10)
    verdict = judge(CLAIMS["quick"], empty)
    assert verdict.outcome is Outcome.CANNOT_BE_TOLD
    assert verdict.judgement is None
    assert verdict.sentence == "No pair of seeds is complete yet."


def test_met_shares_of_collapses_are_no_verdict_where_so_few_pairs_could_be_chance() -> None:
    """5 against 0 of 5: McNemar's p is 1/16."""
    verdict = _verdict("unstable", "holds", num_pairs=5)
    assert verdict.outcome is Outcome.CANNOT_BE_TOLD
    assert verdict.judgement is not None
    assert verdict.judgement.headline.p_value == pytest.approx(1 / 16)
    assert verdict.judgement.headline.p_holm == pytest.approx(1 / 8)


def test_a_missed_share_of_collapses_is_shown_by_the_one_that_misses_it_most() -> None:
    """8 of 10 are wanted, of the other arm at most 1: not a share that is met."""
    arms = PLANTS["unstable"]["holds"]
    low, high = arms["pmd_part_0_05"], arms["pmd_mean_0_05"]
    few = judge(CLAIMS["unstable"], planted(arms | {"pmd_part_0_1": high}))
    many = judge(CLAIMS["unstable"], planted(arms | {"pmd_mean_0_05": low}))
    assert few.outcome is many.outcome is Outcome.DOES_NOT_HOLD
    assert few.judgement is not None
    assert many.judgement is not None
    shown = few.judgement.headline, many.judgement.headline
    assert [(one.name.split(":")[0], one.value) for one in shown] == [
        ("pmd_part_0_1", 0.0),
        ("pmd_mean_0_05", 1.0),
    ]


def test_what_staleness_costs_may_be_drawn_over_values_that_begin_at_0() -> None:
    """No logarithmic axis has a place for them."""
    declared = CLAIMS["staleness"]
    assert isinstance(declared.test, DropTest)
    test = declared.test.model_copy(
        update={
            "quantity": "rounds of lag",
            "first": declared.test.first.model_copy(update={"values": (0.0, 1.0, 4.0)}),
            "second": declared.test.second.model_copy(update={"values": (0.0, 1.0, 4.0)}),
        }
    )
    results = planted(PLANTS["staleness"]["holds"])
    verdict = judge(declared.model_copy(update={"test": test}), results)
    assert verdict.outcome is Outcome.HOLDS
    assert verdict.judgement is not None
    accuracies, lost, _ = verdict.judgement.panels
    assert {panel.x_label for panel in (accuracies, lost)} == {"rounds of lag"}
    assert accuracies.log_x_ticks == lost.log_x_ticks == ()
    assert accuracies.lines[0].x.tolist() == [0, 1, 4]
    assert lost.lines[0].x.tolist() == [1, 4]


def test_a_question_about_several_arms_is_in_the_plural() -> None:
    declared = CLAIMS["beats_grpo"]
    assert isinstance(declared.test, DifferenceTest)
    (pair,) = declared.test.comparisons
    turned = pair.model_copy(update={"first": pair.second, "second": pair.first})
    test = declared.test.model_copy(update={"comparisons": (pair, turned)})
    results = planted(PLANTS["beats_grpo"]["holds"])
    both = judge(declared.model_copy(update={"test": test}), results)
    one = judge(declared, results)
    assert both.sentence.startswith(f"Are {pair.first} and {pair.second} more accurate than ")
    assert one.sentence.startswith(f"Is {pair.first} more accurate than {pair.second}? ")


def test_runs_that_diverge_count_as_collapsed_and_are_named() -> None:
    arms = PLANTS["unstable"]["does not hold"]
    arms = arms | {
        name: replace(arms[name], diverged=9) for name in ("pmd_part_0_05", "pmd_part_0_1")
    }
    verdict = judge(CLAIMS["unstable"], planted(arms))
    assert verdict.outcome is Outcome.HOLDS
    diverged = {numbers.arm: numbers.num_diverged for numbers in verdict.arms}
    assert diverged["pmd_part_0_1"] == 9
    assert diverged["pmd_mean_0_1"] == 0
    assert verdict.judgement is not None
    assert any("diverged" in limit for limit in verdict.judgement.limits)


def test_log_ratios_are_nats_and_progress_is_a_share() -> None:
    verdict = _verdict("explodes", "holds")
    assert verdict.judgement is not None
    units = {finding.name.split(", ")[1]: finding.unit for finding in verdict.judgement.findings}
    assert units == {
        "least log-ratio of the last mini-batch": "nats",
        "mean log-ratio of wrong responses": "nats",
        "progress of right responses": "number",
    }


def test_a_claim_that_never_reaches_the_accuracy_itself_cannot_hold() -> None:
    """It ends sooner without getting there, which is not quicker."""
    arms = {
        "pmd_mean": Plant(curve=(0.37, 0.5, 0.55, 0.6), seconds=1.0),
        "on_policy": Plant(curve=(0.37, 0.55, 0.7, 0.85), seconds=9.0),
    }
    verdict = judge(CLAIMS["quick"], planted(arms))
    assert verdict.outcome is Outcome.CANNOT_BE_TOLD
    assert verdict.judgement is not None
    assert "10 of 10 runs of pmd_mean never reach 0.7" in verdict.judgement.limits[0]


def test_a_claim_cannot_fail_by_runs_of_the_other_arm_that_never_reach_the_accuracy() -> None:
    """They broke off in round 2, and count with the few seconds until then."""
    arms = {
        "pmd_mean": Plant(curve=(0.37, 0.55, 0.7, 0.85), seconds=3.0),
        "on_policy": Plant(curve=(0.37, 0.55, 0.7, 0.85), seconds=3.0, diverged=10),
    }
    verdict = judge(CLAIMS["quick"], planted(arms))
    assert verdict.judgement is not None
    assert verdict.judgement.headline.says == "higher"
    assert verdict.outcome is Outcome.CANNOT_BE_TOLD


def test_pairs_that_need_no_training_have_no_ratio_and_are_counted() -> None:
    arms = {name: Plant(curve=(0.9, 0.9)) for name in ("pmd_mean", "on_policy")}
    verdict = judge(CLAIMS["quick"], planted(arms))
    assert verdict.outcome is Outcome.CANNOT_BE_TOLD
    assert verdict.judgement is not None
    assert verdict.judgement.limits == ("10 pairs left out: the initial policy had that accuracy.",)


def test_seconds_are_those_of_training_until_the_accuracy_is_reached() -> None:
    results = planted({"pmd_mean": Plant(curve=(0.37, 0.9), seconds=4.0)}, num_pairs=1)
    unit = results.arms["pmd_mean"][0]
    spent = sum(row["cpu_seconds"] for row in unit.rounds)
    start, end = unit.initial.accuracy, unit.final.accuracy
    target = (start + end) / 2
    assert reaching_seconds(results, "pmd_mean", target)[0] == pytest.approx(spent / 2)


def test_units_on_different_problems_are_refused() -> None:
    results = planted(PLANTS["quick"]["holds"], num_pairs=2)
    other = replace(results.arms["pmd_mean"][0], problem_ids=("another",) * 120)
    arms = {**results.arms, "pmd_mean": (other, results.arms["pmd_mean"][1])}
    with pytest.raises(ValueError, match="found 2 different sets"):
        judge(CLAIMS["quick"], replace(results, arms=arms))


def test_measures_of_round_1_by_hand() -> None:
    unit = planted({"arm": Plant()}, num_pairs=1).arms["arm"][0]
    first = replace(
        unit.groups[0], num_right=1, num_wrong=3, right_mean=0.7, wrong_mean=-1.0, is_last=False
    )
    last = replace(
        first, num_right=2, num_wrong=2, right_mean=-0.4, wrong_mean=-3.0, log_ratio_min=-5.0
    )
    solved = replace(first, num_right=4, num_wrong=0, right_mean=0.1, wrong_mean=math.nan)
    later = replace(first, round=2, wrong_mean=-90.0, log_ratio_min=-99.0, is_last=True)
    unit = replace(unit, groups=(first, solved, replace(last, is_last=True), later))
    assert round_measure(unit, "last_mini_batch_min") == -5.0
    assert round_measure(unit, "wrong_mean") == pytest.approx((3 * -1.0 + 2 * -3.0) / 5)
    most = np.log([4, 2])
    expected = (1 * 0.7 * most[0] + 2 * -0.4 * most[1]) / (1 * most[0] ** 2 + 2 * most[1] ** 2)
    assert round_measure(unit, "right_slope") == pytest.approx(expected)


def test_bins_hold_their_upper_bound_and_only_groups_with_a_signal() -> None:
    unit = planted({"arm": Plant()}, num_pairs=1).arms["arm"][0]
    groups = tuple(
        replace(unit.groups[0], num_right=right, num_wrong=4 - right, wrong_mean=-float(right))
        for right in (0, 1, 1, 2, 3, 4)
    )
    rates, means, counts = binned((replace(unit, groups=groups),), (0, 0.25, 0.6, 1), "wrong_mean")
    assert counts.tolist() == [2, 1, 1]
    assert rates.tolist() == [0.25, 0.5, 0.75]
    assert means.tolist() == [1, 2, 3]


def test_sign_flips_that_disagree_are_named_where_they_could_agree() -> None:
    """One pair of ten carries all of the difference: the t distributions see many problems."""
    finding = difference_findings(
        {"d": np.full((10, 50), 0.1)}, wanted="higher", needs="any", alpha=0.05, margin=0.01
    )
    one_pair = np.zeros((10, 50))
    one_pair[0] = 1.0
    (note,) = disagreements(finding, {"d": one_pair}, 0.05)
    assert note.startswith("d: the sign-flip test, which assumes no distribution, has p = 1 where")
    assert disagreements(finding, {"d": one_pair[:3]}, 0.05) == ()
    assert disagreements(finding, {"d": np.full((10, 50), 0.1)}, 0.05) == ()


def test_where_any_of_several_tests_would_do_more_pairs_are_needed_to_tell() -> None:
    """As many as at the level of Holm's first step."""
    random = np.random.default_rng(0)
    table = random.normal(scale=0.1, size=(6, 1)) + random.normal(scale=0.1, size=(6, 50))
    open_ones = [replace(plain_finding("d", table, "accuracy"), outcome=Outcome.CANNOT_BE_TOLD)] * 4
    of_all = needed(open_ones, table, margin=0.05, alpha=0.05, needs="all")
    of_any = needed(open_ones, table, margin=0.05, alpha=0.05, needs="any")
    assert of_any == needed(open_ones[:1], table, margin=0.05, alpha=0.0125, needs="all")
    assert _pairs_in(of_any[0]) > _pairs_in(of_all[0]) > 6


def _pairs_in(sentence: str) -> int:
    return int(sentence.partition("about ")[2].split()[0])


def test_a_real_difference_below_the_margin_is_not_the_better_one_that_was_claimed() -> None:
    """Every cell is 0.004 higher but for a little noise: real, and too small to matter."""
    table = 0.004 + np.random.default_rng(0).normal(scale=1e-3, size=(10, 50))
    (finding,) = difference_findings(
        {"d": table}, wanted="higher", needs="any", alpha=0.05, margin=0.01
    )
    assert finding.p_holm < 0.001
    assert finding.says == "within the margin"
    assert finding.outcome is Outcome.DOES_NOT_HOLD


def test_tests_of_a_family_are_corrected_together() -> None:
    tables = {str(i): np.random.default_rng(i).normal(0.1, 0.3, (10, 50)) for i in range(3)}
    findings = difference_findings(tables, wanted="higher", needs="any", alpha=0.05, margin=0.01)
    raw = [finding.p_value for finding in findings]
    least = int(np.argmin(raw))
    assert findings[least].p_holm == pytest.approx(min(1.0, 3 * raw[least]))


def test_a_finding_that_all_tests_must_make_is_not_corrected_but_its_contrary_is() -> None:
    """Sign flips of 6 pairs have p-values of 1/32 at least, which Holm takes to 3/32."""
    numbers = {str(i): np.arange(1.0, 7.0) for i in range(3)}
    for wanted, outcome in (("higher", Outcome.HOLDS), ("lower", Outcome.CANNOT_BE_TOLD)):
        for found in per_pair_findings(numbers, wanted=wanted, alpha=0.05, unit="nats"):
            assert (found.p_value, found.p_holm) == pytest.approx((1 / 32, 3 / 32))
            assert found.outcome is outcome


def test_a_test_without_a_finite_number_leaves_the_claim_open() -> None:
    """Where all tests must find it, one that could not be made is none that did."""
    numbers = {"known": np.arange(1.0, 11.0), "unknown": np.full(10, np.nan)}
    found = per_pair_findings(numbers, wanted="higher", alpha=0.05, unit="nats")
    assert [finding.outcome for finding in found] == [Outcome.HOLDS, Outcome.CANNOT_BE_TOLD]
    assert all_of(found) is Outcome.CANNOT_BE_TOLD
    empty = flatness_finding("s", [np.nan], [1.0], alpha=0.05, unit="nats")
    assert empty.outcome is Outcome.CANNOT_BE_TOLD


@pytest.mark.parametrize("name", CLAIMS)
def test_a_single_pair_is_shown_without_a_verdict(name: str) -> None:
    verdict = _verdict(name, "holds", num_pairs=1)
    assert verdict.outcome is Outcome.CANNOT_BE_TOLD
    assert verdict.judgement is not None
    assert math.isfinite(verdict.judgement.headline.value)
    for line in (line for panel in verdict.judgement.panels for line in panel.lines):
        assert line.low is None or not np.isinf(line.low).any()


def test_flatness_needs_slopes_within_their_bounds() -> None:
    bounds = np.full(10, 0.5)
    noise = 0.1 * np.cos(np.arange(10))
    cases = {0.0: Outcome.HOLDS, 1.0: Outcome.DOES_NOT_HOLD, -1.0: Outcome.DOES_NOT_HOLD}
    for mean, outcome in cases.items():
        found = flatness_finding("s", mean + noise, bounds, alpha=0.05, unit="nats")
        assert found.outcome is outcome
    wide = flatness_finding("s", 20 * noise, bounds, alpha=0.05, unit="nats")
    assert wide.outcome is Outcome.CANNOT_BE_TOLD


def _findings(*outcomes: Outcome) -> list[Finding]:
    shown = plain_finding("shown", [0.0, 1.0], "nats")
    return [shown, *(replace(shown, outcome=outcome) for outcome in outcomes)]


def test_a_claim_of_several_things_fails_with_one_and_holds_with_all() -> None:
    holds, fails, unknown = Outcome.HOLDS, Outcome.DOES_NOT_HOLD, Outcome.CANNOT_BE_TOLD
    assert all_of(_findings(holds, holds)) is holds
    assert all_of(_findings(holds, unknown)) is unknown
    assert all_of(_findings(holds, unknown, fails)) is fails


def test_a_claim_of_any_measure_needs_one_and_no_contrary() -> None:
    holds, fails, unknown = Outcome.HOLDS, Outcome.DOES_NOT_HOLD, Outcome.CANNOT_BE_TOLD
    assert any_of(_findings(holds, unknown)) is holds
    assert any_of(_findings(fails, unknown)) is fails
    assert any_of(_findings(holds, fails)) is unknown
    assert any_of(_findings(unknown)) is unknown


def test_a_verdict_is_shown_with_a_finding_that_says_the_same() -> None:
    holds, fails, unknown = Outcome.HOLDS, Outcome.DOES_NOT_HOLD, Outcome.CANNOT_BE_TOLD
    findings = _findings(unknown, holds, fails, holds)[1:]
    assert decisive(findings, holds) is findings[1]
    assert decisive(findings, holds, preferred=3) is findings[3]
    assert decisive(findings, fails, preferred=3) is findings[2]
    assert decisive(findings[1:2], unknown) is findings[1]
