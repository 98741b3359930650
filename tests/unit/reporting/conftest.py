"""A small made-up experiment, the same in every run."""

from collections.abc import Mapping

import numpy as np
import pandas as pd
import pytest
from made_up_runs import made_up_scores

from pmd_pipeline.metrics.comparison import build_comparison
from pmd_pipeline.metrics.pairs import compare_pairs
from pmd_pipeline.reporting.run_page.stage_times import training_times

ALGORITHMS = ("pmd_mean", "pmd_part", "grpo", "gspo", "on_policy_gradient")
FINAL_SHARES = (0.88, 0.47, 0.89, 0.74, 0.90)
EVAL_SETS = ("add3", "carries")
NUM_ROUNDS = 6
EVALUATED_ROUNDS = (2, 4, 6)
NUM_PROBLEMS = 40
K = 4


def make_completions(share: float, *, seed: int) -> pd.DataFrame:
    """Return K completions per problem, of which about ``share`` are right."""
    random = np.random.default_rng(seed)
    rows = []
    for eval_set in EVAL_SETS:
        for problem in range(NUM_PROBLEMS):
            gold = int(random.integers(1000))
            for sample in range(K):
                correct = bool(random.random() < share)
                answer = gold if correct else (gold + 1) % 1000
                rows.append(
                    {
                        "eval_set": eval_set,
                        "problem_id": f"{eval_set}-{problem:03d}",
                        "sample_index": sample,
                        "problem": f"{gold // 2}+{gold - gold // 2}?",
                        "gold": str(gold),
                        "response": f"4+9+0=13;7+8+1=16;2+0+1=03;\\boxed{{{answer}}}",
                        "answer": str(answer),
                        "correct": correct,
                        "reward": 1.0 if correct else -1.0,
                        "grade_reason": "equal" if correct else "different",
                        "truncated": False,
                        "num_tokens": 33,
                    }
                )
    return pd.DataFrame(rows)


def make_metrics(share: float) -> pd.DataFrame:
    """Return evaluation metrics of a policy that is right with this probability."""
    values = {
        ("avg_at_k", K): share,
        **{("pass_at_k", k): 1 - (1 - share) ** k for k in (1, 2, 4)},
        **{("maj_at_k", k): min(1.0, share * 1.05) for k in (1, 2, 4)},
        ("truncated_fraction", K): 0.01,
    }
    rows = [
        (eval_set, metric, k, value, max(0.0, value - 0.06), min(1.0, value + 0.06))
        for eval_set in EVAL_SETS
        for (metric, k), value in values.items()
    ]
    rows += [(name, "mean_response_tokens", K, 27.5, 26.0, 29.0) for name in EVAL_SETS]
    return pd.DataFrame(rows, columns=["eval_set", "metric", "k", "value", "ci_low", "ci_high"])


def make_round_metrics(algorithms: Mapping[str, float], num_rounds: int) -> pd.DataFrame:
    """Return a row per algorithm and round; the reward approaches the algorithm's final share."""
    random = np.random.default_rng(7)
    rows = []
    for algorithm, share in algorithms.items():
        for round_index in range(1, num_rounds + 1):
            progress = round_index / num_rounds
            wild = algorithm == "pmd_part"
            smallest = -float(random.uniform(1, 6)) * (60.0**progress if wild else 1)
            rows.append(
                {
                    "algorithm": algorithm,
                    "seed": 0,
                    "round": round_index,
                    "policy_version": 8 * round_index,
                    "num_rollouts": 1024,
                    "num_sampled_tokens": round(1024 * (22 + 5 * progress)),
                    "learning_rate": 4e-4 * (1 - progress),
                    "mean_reward": 2 * (0.46 + (share - 0.46) * progress) - 1,
                    "group_pass_rate": 0.46 + (share - 0.46) * progress,
                    "no_signal_fraction": 0.05 + 0.3 * progress,
                    "entropy": 0.35 * (1.1 - progress) + float(random.uniform(0, 0.02)),
                    "mean_response_tokens": 22 + 5 * progress + float(random.uniform(0, 1)),
                    "truncated_fraction": 0.01,
                    "log_ratio_min": smallest,
                    "log_ratio_mean": smallest / 20,
                    "log_ratio_max": -smallest / 8,
                    "kl": float(random.uniform(0.02, 0.08)) * (30.0**progress if wild else 1),
                    "reverse_kl": 0.05,
                    "chi2": 0.1,
                    "clip_fraction": 0.08 if algorithm in ("grpo", "gspo") else np.nan,
                    "gradient_norm": float(random.uniform(0.5, 2)) * (5 if wild else 1),
                    "loss": -0.1 * progress,
                    "mismatch_mean": 1e-7,
                    "mismatch_max": 2e-6,
                    "mismatch_kl": 1e-9,
                    "grading_timeouts": 0,
                    "sampling_seconds": 1.2 if algorithm != "on_policy_gradient" else 3.4,
                    "grading_seconds": 0.4,
                    "updating_seconds": 1.9,
                    "waiting_seconds": 1.6 if algorithm != "on_policy_gradient" else 3.8,
                    "staleness_updates": 0,
                    "staleness_rounds": 0,
                    "sampling_tokens_per_second": 21_000.0,
                    "updating_tokens_per_second": 15_000.0,
                }
            )
    return pd.DataFrame(rows)


@pytest.fixture
def phase_metrics() -> dict[str, dict[int, pd.DataFrame]]:
    return {
        algorithm: {
            round_index: make_metrics(0.46 + (share - 0.46) * round_index / NUM_ROUNDS)
            for round_index in EVALUATED_ROUNDS
        }
        for algorithm, share in zip(ALGORITHMS, FINAL_SHARES, strict=True)
    }


@pytest.fixture
def initial_metrics() -> pd.DataFrame:
    return make_metrics(0.46)


@pytest.fixture
def round_metrics() -> pd.DataFrame:
    return make_round_metrics(dict(zip(ALGORITHMS, FINAL_SHARES, strict=True)), NUM_ROUNDS)


@pytest.fixture
def comparison(
    initial_metrics: pd.DataFrame, phase_metrics: dict[str, dict[int, pd.DataFrame]]
) -> pd.DataFrame:
    return build_comparison(initial_metrics, phase_metrics)


@pytest.fixture
def gains() -> pd.DataFrame:
    """What a gains table looks like; the numbers are made up."""
    rows = []
    for eval_set in EVAL_SETS:
        for algorithm, share in zip(ALGORITHMS, FINAL_SHARES, strict=True):
            gain = share - 0.46
            rows.append((algorithm, "initial policy", eval_set, K, gain, gain - 0.07, gain + 0.07))
        for algorithm, share in zip(ALGORITHMS[1:], FINAL_SHARES[1:], strict=True):
            gain = share - FINAL_SHARES[0]
            rows.append((algorithm, "pmd_mean", eval_set, K, gain, gain - 0.05, gain + 0.05))
    return pd.DataFrame(
        rows, columns=["algorithm", "against", "eval_set", "k", "gain", "ci_low", "ci_high"]
    )


@pytest.fixture(scope="session")
def scores() -> pd.DataFrame:
    """Three training seeds of every algorithm, each near its share of right answers."""
    random = np.random.default_rng(5)

    def near(share: float, num_seeds: int) -> np.ndarray:
        of_seeds = share + 0.01 * random.normal(size=(num_seeds, 1))
        return np.asarray(random.binomial(K, of_seeds.clip(0, 1), (num_seeds, NUM_PROBLEMS)) / K)

    sets = [
        made_up_scores(
            {name: near(share, 3) for name, share in zip(ALGORITHMS, FINAL_SHARES, strict=True)},
            near(0.46, 1)[0],
            eval_set=eval_set,
        )
        for eval_set in EVAL_SETS
    ]
    return pd.concat(sets, ignore_index=True)


@pytest.fixture(scope="session")
def pairs(scores: pd.DataFrame) -> pd.DataFrame:
    return compare_pairs(scores, margin=0.01, alpha=0.05)


@pytest.fixture
def stage_times(round_metrics: pd.DataFrame) -> pd.DataFrame:
    def whole(stage: str, seconds: float) -> pd.DataFrame:
        return pd.DataFrame({"stage": [stage], "kind": [""], "seconds": [seconds]})

    return pd.concat(
        [
            whole("data_preparation", 1.25),
            whole("policy_initialisation", 44.0),
            training_times(round_metrics),
            whole("evaluation", 9.0),
        ],
        ignore_index=True,
    )


@pytest.fixture
def initial_completions() -> pd.DataFrame:
    return make_completions(0.46, seed=0)


@pytest.fixture
def final_completions() -> dict[str, pd.DataFrame]:
    return {
        algorithm: make_completions(share, seed=i + 1)
        for i, (algorithm, share) in enumerate(zip(ALGORITHMS, FINAL_SHARES, strict=True))
    }
