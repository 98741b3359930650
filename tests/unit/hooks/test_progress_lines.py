"""Where there is no terminal, a run says a line per round and per evaluation."""

import logging
from types import SimpleNamespace
from typing import Any

import pandas as pd
import pytest
from kedro.pipeline import Node, Pipeline

from pmd_pipeline.hooks.progress import ProgressHook

ROW = {
    "mean_reward": 0.5,
    "group_pass_rate": 0.75,
    "kl": 0.00123,
    "num_sampled_tokens": 9000,
    "waiting_seconds": 2.0,
    "updating_seconds": 1.0,
}


def metrics(number: int, **others: float) -> dict[str, pd.DataFrame]:
    return {f"round_{number:05d}": pd.DataFrame([{"round": number, **ROW, **others}])}


def node(name: str, namespace: str, *tags: str) -> Node:
    return Node(len, "prompts", f"{name}_output", name=name, namespace=namespace, tags=tags)


TRAIN = node("train", "grpo.seed_1.phase_2", "training")
EVALUATE = node("evaluate", "grpo.seed_1.phase_2", "evaluation")
CLEAN = node("clean", "data_preparation", "data_preparation")


@pytest.fixture
def told(caplog: pytest.LogCaptureFixture) -> list[str]:
    """What a phase of two rounds, its evaluation and a node of no weight say."""
    now = 0.0
    resume: Any = SimpleNamespace(given=set())
    hook = ProgressHook(resume, clock=lambda: now)
    training = SimpleNamespace(rounds_per_phase=2, num_phases=3)
    hook.after_context_created(
        SimpleNamespace(experiment=SimpleNamespace(training=training))  # type: ignore[arg-type]
    )
    table = pd.DataFrame([{"eval_set": "sums", "metric": "avg_at_k", "k": 4, "value": 0.875}])
    with caplog.at_level(logging.INFO, "pmd_pipeline"):
        hook.before_pipeline_run(Pipeline([CLEAN, TRAIN, EVALUATE]))
        hook.before_node_run(CLEAN)
        now = 1.0
        for number, others in ((3, {}), (4, {"group_pass_rate": float("nan")})):
            hook.before_dataset_loaded(TRAIN)
            now += 30.0
            hook.after_dataset_saved(
                "grpo.seed_1.phase_2.round_metrics", metrics(number, **others), TRAIN
            )
            hook.after_dataset_saved("grpo.seed_1.phase_2.policy", None, TRAIN)
        hook.before_node_run(EVALUATE)
        now += 5.0
        hook.after_dataset_saved("grpo.seed_1.phase_2.eval_metrics", table, EVALUATE)
        hook.after_pipeline_run()
    return caplog.messages


def test_a_round_is_a_line_with_what_is_known_of_it(told: list[str]) -> None:
    assert told == [
        "3 steps to do, 1 phase of training with 2 rounds in all among them",
        "grpo.seed_1 round 3/6: reward 0.500, accuracy 0.750, KL 0.0012, 3,000 tokens/s, "
        "30 s of phase 2 left",
        # What a round has no accuracy of is left out; an evaluation has not been timed yet.
        "grpo.seed_1 round 4/6: reward 0.500, KL 0.0012, 3,000 tokens/s",
        "grpo.seed_1 after round 4: sums avg@4 0.875",
        "Done in 66 s",
    ]
