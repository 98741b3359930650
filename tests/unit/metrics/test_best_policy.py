"""The best policy is the one that scored highest, on all evaluation sets together."""

import pandas as pd
import pytest

from pmd_pipeline.metrics.best_policy import best_evaluated


def table(*rows: tuple[str, int, str, int, float], metric: str = "avg_at_k") -> pd.DataFrame:
    """Return a comparison by seed from (algorithm, seed, eval_set, round, value)."""
    columns = ["algorithm", "seed", "eval_set", "round", "value"]
    return pd.DataFrame(list(rows), columns=columns).assign(metric=metric, k=4)


def test_the_highest_trained_policy_of_all_seeds_and_rounds_is_the_best() -> None:
    scores = table(
        ("pmd_mean", 0, "addition", 0, 0.9),  # the initial policy is no candidate
        ("pmd_mean", 0, "addition", 2, 0.5),
        ("pmd_mean", 0, "addition", 4, 0.4),
        ("pmd_mean", 1, "addition", 2, 0.6),
        ("grpo", 0, "addition", 2, 0.7),
        ("grpo", 0, "addition", 4, 0.8),
    )
    # What is not the headline metric decides nothing.
    others = table(("pmd_mean", 0, "addition", 4, 123.0), metric="mean_response_tokens")
    best = best_evaluated(pd.concat([scores, others]))
    assert (best.algorithm, best.seed, best.round_index) == ("grpo", 0, 4)
    assert (best.metric, best.score, best.initial_score) == ("avg_at_k", 0.8, 0.9)
    assert best.num_candidates == 5
    own = best_evaluated(scores, algorithm="pmd_mean")
    assert (own.algorithm, own.seed, own.round_index) == ("pmd_mean", 1, 2)
    assert own.num_candidates == 3


def test_several_evaluation_sets_count_once_each() -> None:
    scores = table(
        ("pmd_mean", 0, "easy", 1, 1.0),
        ("pmd_mean", 0, "hard", 1, 0.0),
        ("pmd_mean", 0, "easy", 2, 0.7),
        ("pmd_mean", 0, "hard", 2, 0.4),
    )
    best = best_evaluated(scores)
    assert (best.round_index, best.score, best.initial_score) == (2, 0.55, None)


def test_of_equal_policies_the_earlier_is_the_best_however_its_mean_was_added() -> None:
    scores = table(
        ("pmd_mean", 0, "a", 2, 0.1),
        ("pmd_mean", 0, "b", 2, 0.2),
        ("pmd_mean", 0, "c", 2, 0.3),
        ("pmd_mean", 1, "a", 1, 0.3),
        ("pmd_mean", 1, "b", 1, 0.2),
        ("pmd_mean", 1, "c", 1, 0.1),
        ("pmd_mean", 2, "a", 1, 0.2),
        ("pmd_mean", 2, "b", 1, 0.2),
        ("pmd_mean", 2, "c", 1, 0.2),
    )
    assert 0.1 + 0.2 + 0.3 != 0.3 + 0.2 + 0.1
    best = best_evaluated(scores)
    assert (best.seed, best.round_index) == (1, 1)


def test_where_no_answer_is_known_to_be_right_the_mean_reward_decides() -> None:
    scores = table(
        ("pmd_mean", 0, "a", 1, -0.5), ("pmd_mean", 0, "a", 2, -0.75), metric="mean_reward"
    )
    best = best_evaluated(scores)
    assert (best.metric, best.score, best.round_index) == ("mean_reward", -0.5, 1)


def test_what_cannot_be_chosen_from_is_refused() -> None:
    initial = table(("pmd_mean", 0, "a", 0, 0.5))
    with pytest.raises(ValueError, match="no trained policy was evaluated"):
        best_evaluated(initial)
    trained = table(("pmd_mean", 0, "a", 1, 0.5))
    with pytest.raises(ValueError, match=r"no trained policy of 'grpo' .* \['pmd_mean'\]"):
        best_evaluated(trained, algorithm="grpo")
    with pytest.raises(ValueError, match=r"different sets.*on a; .*on a, b"):
        best_evaluated(pd.concat([trained, table(("grpo", 0, "a", 1, 1), ("grpo", 0, "b", 1, 0))]))
    with pytest.raises(ValueError, match=r"no columns \['seed'\]"):
        best_evaluated(trained.drop(columns="seed"))
