"""How claims are declared."""

from copy import deepcopy
from typing import Any

import pytest

from pmd_pipeline.config.claims import ClaimsError, chosen_claims, parse_claims

_CLAIM = {
    "title": "First beats second",
    "hypothesis": "The first is better than the second.",
    "source": "Table 1",
    "holds": "better",
    "fails": "worse or equivalent",
    "arms": {
        "first": {"algorithm": "pmd_mean", "tuning": "mean"},
        "second": {"algorithm": "grpo", "tuning": "grpo"},
    },
    "test": {
        "kind": "difference",
        "comparisons": [{"first": "first", "second": "second"}],
        "wanted": "better",
    },
}
_VALUES: dict[str, Any] = {
    "tuning": {"validation": {"kind": "generated_addition", "num_problems": 8}},
    "tunings": {
        "mean": {"algorithm": "pmd_mean", "grid": {"algorithm.tau": [0.1, 0.2]}},
        "grpo": {"algorithm": "grpo", "grid": {"algorithm.clip_low": [0.1, 0.2]}},
    },
    "claims": {"beats": _CLAIM},
}


def _values(**claim: Any) -> dict[str, Any]:
    values = deepcopy(_VALUES)
    values["claims"]["beats"] |= claim
    return values


def test_a_claim_that_could_never_be_told_is_refused() -> None:
    """It asks for more complete pairs of seeds than there will be."""
    parse_claims({**_values(), "num_pairs": 5})
    with pytest.raises(
        ClaimsError, match=r"num_pairs is 4, but claims\.\w+\.test\.least_pairs is 5"
    ):
        parse_claims({**_values(), "num_pairs": 4})


def test_a_claim_may_compare_arms_tuned_by_the_same_number_of_trials() -> None:
    config = parse_claims(_values())
    assert config.tunings["mean"].num_trials == config.tunings["grpo"].num_trials == 2
    assert list(chosen_claims(config, ())) == ["beats"]


def test_arms_tuned_by_different_numbers_of_trials_are_refused() -> None:
    values = _values()
    values["tunings"]["mean"]["grid"]["training.optimizer.learning_rate"] = [1e-4, 2e-4]
    with pytest.raises(ClaimsError, match=r"claims\.beats: .*mean by 4 and grpo by 2"):
        parse_claims(values)


def test_a_test_of_an_arm_that_is_not_there_is_refused() -> None:
    test = _CLAIM["test"] | {"comparisons": [{"first": "first", "second": "third"}]}  # type: ignore[operator]
    with pytest.raises(ClaimsError, match=r"claims\.beats: its test compares 'third'"):
        parse_claims(_values(test=test))


def test_a_tuning_of_another_algorithm_is_refused() -> None:
    arms = _CLAIM["arms"] | {"second": {"algorithm": "gspo", "tuning": "grpo"}}  # type: ignore[operator]
    with pytest.raises(ClaimsError, match=r"arms\.second\.tuning: 'grpo' tunes grpo, the arm"):
        parse_claims(_values(arms=arms))


def test_an_unknown_key_is_named() -> None:
    with pytest.raises(ClaimsError, match=r"claims\.beats\.hypotesis: unknown"):
        parse_claims(_values(hypotesis="?"))


def test_a_claim_that_is_not_declared_is_answered_with_a_similar_one() -> None:
    with pytest.raises(ClaimsError, match="did you mean 'beats'"):
        chosen_claims(parse_claims(_values()), ("beat",))
