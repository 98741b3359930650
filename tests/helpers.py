"""Small things that tests build: configurations, trainings, rollouts made by hand."""

from pathlib import Path

import numpy as np
import plotly.graph_objects as go
import pytest

from pmd_pipeline.config.algorithms import AlgorithmParameters, AnyAlgorithmConfig
from pmd_pipeline.config.rewards import MathRewardConfig
from pmd_pipeline.config.sampling import SamplingConfig
from pmd_pipeline.config.training import OptimizerConfig, TrainingConfig
from pmd_pipeline.records import Completion, Rollout
from pmd_pipeline.reporting.drawing.interactive import InteractiveFigure
from pmd_pipeline.training.setup import TrainingSetup

PROJECT = Path(__file__).resolve().parents[1]


def shared_folder(name: str) -> Path:
    """Return a folder of real data beside the checkout, or skip the test where it is absent."""
    folder = PROJECT.parent / "shared" / name
    if not folder.is_dir():
        pytest.skip(f"needs the folder shared/{name} beside the checkout")
    return folder


def as_plotly_reads(figure: InteractiveFigure) -> go.Figure:
    """Return what the library plotly makes of a figure; it refuses what plotly.js does not know."""
    return go.Figure(data=figure.data, layout=figure.layout)


def make_algorithm(**fields: object) -> AnyAlgorithmConfig:
    """Return an algorithm; PMD-mean unless a kind is given, tau 0.5 where there is one."""
    kind = str(fields.setdefault("kind", "pmd_mean"))
    if kind.startswith("pmd"):
        fields.setdefault("tau", 0.5)
    return AlgorithmParameters.model_validate(fields).root


def make_setup(algorithm: AnyAlgorithmConfig, **training: object) -> TrainingSetup:
    defaults: dict[str, object] = {
        "algorithms": ("a",),
        "num_phases": 1,
        "rounds_per_phase": 2,
        "prompts_per_round": 4,
        "group_size": 4,
        "num_mini_batches": 2,
        "sampling": SamplingConfig(max_new_tokens=12),
        "optimizer": OptimizerConfig(learning_rate=1e-3),
    }
    return TrainingSetup(
        label="a",
        algorithm=algorithm,
        training=TrainingConfig.model_validate(defaults | training),
        rewards=MathRewardConfig(convention="boxed", num_workers=1),
        seed=0,
        adapter_seed=0,
    )


def make_rollouts(num_groups: int = 4, group_size: int = 4, seed: int = 0) -> list[Rollout]:
    """Return rollouts of random tokens and lengths, about half of them right."""
    rng = np.random.default_rng(seed)
    rollouts = []
    for group in range(num_groups):
        prompt = (1, *rng.integers(3, 13, size=rng.integers(2, 7)).tolist())
        for sample in range(group_size):
            length = int(rng.integers(1, 12))
            correct = bool(rng.integers(2)) if sample > 1 else sample == 0
            rollouts.append(
                Rollout(
                    problem_id=f"problem-{group}",
                    sample_index=sample,
                    prompt_token_ids=prompt,
                    completion=Completion(
                        token_ids=tuple(rng.integers(3, 25, size=length).tolist()),
                        log_probs=rng.normal(-3, 0.1, size=length).astype(np.float32),
                        truncated=False,
                    ),
                    response="",
                    answer=None,
                    correct=correct,
                    grade_reason="",
                    reward=1.0 if correct else -1.0,
                )
            )
    return rollouts
