"""Where all rewards of a group are equal the exact update is none, and none is made."""

from collections.abc import Iterator, Sequence
from copy import deepcopy
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from helpers import make_algorithm, make_setup
from torch import Tensor

from pmd_pipeline.config.algorithms import AnyAlgorithmConfig
from pmd_pipeline.config.compute import ComputeConfig
from pmd_pipeline.config.engines import TransformersEngineConfig
from pmd_pipeline.config.lora import LoraConfig
from pmd_pipeline.engines.transformers_engine import TransformersEngine
from pmd_pipeline.policies.policy import Policy
from pmd_pipeline.policies.reference import PolicyReference
from pmd_pipeline.policies.storage import save_policy
from pmd_pipeline.records import Prompt, Score
from pmd_pipeline.training.prompt_order import prompts_of_round
from pmd_pipeline.training.round import RoundResult
from pmd_pipeline.training.round_metrics import RoundMetrics, round_metrics
from pmd_pipeline.training.rounds import run_rounds
from pmd_pipeline.training.setup import TrainingSetup
from pmd_pipeline.training.start import load_start
from pmd_pipeline.training.trainer import LocalTrainer

TEXTS = ["1+2", "12+30", "274+089", "3+4", "5+5", "10+20"]
ALGORITHMS = [
    make_algorithm(kind="pmd_mean"),
    make_algorithm(kind="pmd_mean", baseline="mean", partition_weights=True),
    make_algorithm(kind="pmd_part", tau=0.05),
    make_algorithm(kind="pmd_part", baseline="log_partition"),
    make_algorithm(kind="grpo"),
    make_algorithm(kind="gspo"),
    make_algorithm(kind="on_policy_gradient"),
]
# Moments, weight decay and small parts: whatever could move a policy without a gradient.
TRAINING = {
    "group_size": 7,
    "micro_batch_tokens": 60,
    "optimizer": {"learning_rate": 1e-2, "weight_decay": 0.1},
}
# Of the section compute, and of training.
WAYS: dict[str, tuple[dict[str, Any], dict[str, Any]]] = {
    "packed": ({}, {"packing": True}),
    "checkpointed": ({}, {"gradient_checkpointing": True}),
    "adapter": ({}, {"lora": LoraConfig(rank=4)}),
    "last mini-batch": ({}, {"measured_rollouts": "last_mini_batch"}),
    "bfloat16": ({"precision": "bfloat16"}, {}),
    "bfloat16 weights": ({"precision": "bfloat16", "weights": "bfloat16"}, {}),
}


class Reward:
    """Tells every second response of a prompt from the others while it has a signal."""

    two_values = None

    def __init__(self) -> None:
        self.prompts_with_signal: set[str] = set()

    def __call__(self, prompts: Sequence[Prompt], responses: Sequence[str]) -> list[Score]:
        return [
            Score(reward=float(i % 2) if prompt.problem_id in self.prompts_with_signal else 0.1)
            for i, prompt in enumerate(prompts)
        ]

    def close(self) -> None:
        pass


class Training:
    """Two rounds of a tiny policy, one after another."""

    def __init__(self, policy: Policy, setup: TrainingSetup) -> None:
        self.trainer = LocalTrainer(policy, setup)
        self.reward = Reward()
        self.prompts = [
            Prompt(
                problem_id=text,
                token_ids=tuple(policy.tokenizer(f"{text}?")["input_ids"]),
                answer="3",
                problem=text,
            )
            for text in TEXTS
        ]
        self._rounds: Iterator[RoundResult] = run_rounds(
            self.trainer,
            TransformersEngine(TransformersEngineConfig()),
            self.prompts,
            setup,
            self.reward,
            first_round=0,
            last_round=2,
        )

    def round(self, *, with_signal: Sequence[str] = ()) -> RoundMetrics:
        self.reward.prompts_with_signal = set(with_signal)
        return round_metrics(next(self._rounds))

    def state(self) -> dict[str, Tensor]:
        """Return copies of all weights and of the optimizer's tensors."""
        weights = self.trainer.whole_policy().model.state_dict()
        return {k: v.clone() for k, v in (weights | self.trainer.optimizer_state()).items()}


def has_not_moved(training: Training, before: dict[str, Tensor], metrics: RoundMetrics) -> bool:
    after = training.state()
    assert after.keys() == before.keys()
    assert metrics.num_skipped_updates == 2
    assert metrics.gradient_norm == 0
    figures = [metrics.kl, metrics.reverse_kl, metrics.chi2]
    ratios = [metrics.log_ratio_min, metrics.log_ratio_mean, metrics.log_ratio_max]
    assert figures + ratios == [0.0] * 6
    return all(torch.equal(before[name], after[name]) for name in before)


@pytest.mark.parametrize("algorithm", ALGORITHMS, ids=lambda a: f"{a.kind}-{a.baseline}")
def test_momentum_and_weight_decay_wait_for_a_gradient(
    tiny_policy: Policy, algorithm: AnyAlgorithmConfig
) -> None:
    training = Training(tiny_policy, make_setup(algorithm, **TRAINING))
    metrics = training.round(with_signal=TEXTS)
    assert (metrics.num_skipped_updates, metrics.policy_version) == (0, 2)
    before = training.state()
    metrics = training.round()
    assert has_not_moved(training, before, metrics)
    assert metrics.policy_version == 2


@pytest.mark.parametrize("way", WAYS)
def test_nothing_moves_however_the_policy_is_computed(
    tiny_policy: Policy, tmp_path: Path, way: str
) -> None:
    compute, options = WAYS[way]
    setup = make_setup(make_algorithm(), **TRAINING | options)
    save_policy(tiny_policy, tmp_path / "start")
    started = load_start(
        PolicyReference(folder=tmp_path / "start"),
        setup,
        ComputeConfig.model_validate({"device": "cpu"} | compute),
    )
    training = Training(started, setup)
    before = training.state()
    assert has_not_moved(training, before, training.round())


def test_log_probs_of_another_sampler_move_nothing_either(tiny_policy: Policy) -> None:
    """They differ from the trainer's own, so that no log-ratio is 0: the rest is theirs alone."""
    setup = make_setup(make_algorithm(), **TRAINING, behaviour_log_probs="sampler")
    training = Training(tiny_policy, setup)
    before = training.state()
    metrics = training.round()
    assert metrics.num_skipped_updates == 2
    assert all(torch.equal(before[name], tensor) for name, tensor in training.state().items())


def test_what_a_prompt_filter_drops_is_computed_apart_and_counts_as_skipped(
    tiny_policy: Policy,
) -> None:
    """The update's micro-batches hold kept groups alone, so dropped ones may not share them."""
    algorithm = make_algorithm(prompt_filter={"low": 0.0})
    training = Training(tiny_policy, make_setup(algorithm, **TRAINING))
    before = training.state()
    assert has_not_moved(training, before, training.round())

    dropping = Training(tiny_policy, make_setup(make_algorithm(prompt_filter={"low": 0.2})))
    metrics = dropping.round()
    assert metrics.num_skipped_updates == 2
    assert np.isnan(metrics.gradient_norm)
    assert metrics.kl == 0


@pytest.mark.parametrize("kind", ["pmd_mean", "gspo"])
def test_a_loss_is_divided_by_the_kept_rollouts_or_by_all(tiny_policy: Policy, kind: str) -> None:
    """Of the first mini-batch's two groups the filter keeps one, of the second's none."""
    norms = {}
    for divide_by in ("kept", "all"):
        bounds = {"low": 0.2, "divide_by": divide_by}
        algorithm = make_algorithm(kind=kind, prompt_filter=bounds)
        training = Training(deepcopy(tiny_policy), make_setup(algorithm, **TRAINING))
        first = prompts_of_round(training.prompts, round_index=0, prompts_per_round=4, seed=0)[0]
        norms[divide_by] = training.round(with_signal=[first.problem_id]).gradient_norm
    assert norms["all"] > 0
    assert norms["all"] / norms["kept"] == pytest.approx(0.5, rel=1e-4)


@pytest.mark.parametrize(("kind", "num_skipped"), [("pmd_mean", 0), ("grpo", 1)])
def test_groups_without_signal_hold_a_policy_of_pmd_back_once_others_have_moved_it(
    tiny_policy: Policy, kind: str, num_skipped: int
) -> None:
    """The regression asks for a log-ratio of 0, and after the first mini-batch it is not 0."""
    training = Training(tiny_policy, make_setup(make_algorithm(kind=kind), **TRAINING))
    first = prompts_of_round(training.prompts, round_index=0, prompts_per_round=4, seed=0)[0]
    metrics = training.round(with_signal=[first.problem_id])
    assert metrics.no_signal_fraction == 0.75
    assert metrics.num_skipped_updates == num_skipped
