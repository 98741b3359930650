"""What two processes do together for test_sharded_trainer.py; the driver pickles what it found.

Each calls :func:`take_part` with torchrun's variables in its environment.
"""

import os
import pickle
import sys
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch
from helpers import make_algorithm, make_rollouts, make_setup

from pmd_pipeline.algorithms import advantages_of, rollout_weights
from pmd_pipeline.config.compute import ComputeConfig
from pmd_pipeline.config.engines import TransformersEngineConfig
from pmd_pipeline.config.lora import LoraConfig
from pmd_pipeline.config.policy import EmbeddedPolicyConfig
from pmd_pipeline.config.rewards import MathRewardConfig
from pmd_pipeline.config.training import OptimizerConfig
from pmd_pipeline.engines.transformers_engine import TransformersEngine
from pmd_pipeline.launch import take_launch
from pmd_pipeline.policies.embedded import build_policy
from pmd_pipeline.policies.reference import PolicyReference
from pmd_pipeline.policies.storage import save_policy
from pmd_pipeline.records import Prompt, Score
from pmd_pipeline.rewards.choice import close_rewards, reward_for
from pmd_pipeline.rollouts.batch import to_batch
from pmd_pipeline.training.rounds import run_rounds
from pmd_pipeline.training.setup import TrainingSetup
from pmd_pipeline.training.sharded.driver import TrainingProcessError, TrainingProcesses
from pmd_pipeline.training.sharded.others import TorchrunProcesses
from pmd_pipeline.training.sharded.shard import LogProbShare
from pmd_pipeline.training.sharded.trainer import ShardedTrainer
from pmd_pipeline.training.sharded.worker import serve
from pmd_pipeline.training.start import load_start
from pmd_pipeline.training.trainer import LocalTrainer, Trainer
from pmd_pipeline.training.update import NonFiniteUpdateError, TrainingBatch

TEXTS = ["1+2", "12+30", "274+089", "3+4", "5+5", "10+20"]
# The tiny policy is always wrong: what tells its responses apart is their length.
REWARDS = MathRewardConfig(convention="boxed", num_workers=1, overlong_buffer_tokens=10)
SETUPS = {
    "pmd_mean": make_setup(make_algorithm()),
    # Parts of few tokens: the processes have different numbers of them.
    "grpo_in_many_parts": make_setup(
        make_algorithm(kind="grpo"), micro_batch_tokens=60, gradient_checkpointing=True
    ),
    "gspo_packed": make_setup(make_algorithm(kind="gspo"), packing=True, micro_batch_tokens=60),
    # Two of six groups are dropped in the first round, none in the second.
    "refilled": make_setup(
        make_algorithm(prompt_filter={"low": -1.96, "refill": {"max_extra_rounds": 1}})
    ),
    "adapter": make_setup(
        make_algorithm(),
        lora=LoraConfig(rank=4),
        optimizer=OptimizerConfig(learning_rate=1e-2),
    ),
}


TINY = EmbeddedPolicyConfig(
    kind="embedded", hidden_size=32, num_heads=2, head_dim=16, feed_forward_size=64
)


class Together:
    """Makes both kinds of trainer from the same policy."""

    def __init__(self, folder: Path, processes: TrainingProcesses) -> None:
        save_policy(build_policy(TINY, seed=0), folder / "start")
        self.start = PolicyReference(folder=folder / "start")
        self.folder = folder
        self._processes = processes

    def sharded(
        self, setup: TrainingSetup, start: PolicyReference | None = None, precision: str = "float32"
    ) -> ShardedTrainer:
        compute = ComputeConfig.model_validate({"device": "cpu", "precision": precision})
        return ShardedTrainer(
            start or self.start, setup, compute, self._processes, whole_on_device=True
        )

    def local(self, setup: TrainingSetup, start: PolicyReference | None = None) -> LocalTrainer:
        compute = ComputeConfig(device="cpu")
        return LocalTrainer(load_start(start or self.start, setup, compute), setup)


def rounds_of(
    trainer: Trainer, setup: TrainingSetup, first: int, last: int, reward: Any = None
) -> list[Any]:
    prompt_ids = trainer.whole_policy().tokenizer
    prompts = [
        Prompt(
            problem_id=text,
            token_ids=tuple(prompt_ids(f"{text}?")["input_ids"]),
            answer="3",
            problem=text,
        )
        for text in TEXTS
    ]
    results = run_rounds(
        trainer,
        TransformersEngine(TransformersEngineConfig()),
        prompts,
        replace(setup, rewards=REWARDS) if reward is None else setup,
        reward or reward_for(REWARDS),
        first_round=first,
        last_round=last,
    )
    return list(results)


def end_state(trainer: Trainer) -> dict[str, torch.Tensor]:
    """Return copies of all weights and of the optimizer's tensors."""
    weights = trainer.whole_policy().model.state_dict()
    return {k: v.clone() for k, v in (weights | trainer.optimizer_state()).items()}


def compare_rounds(together: Together) -> dict[str, Any]:
    found = {}
    for name, setup in SETUPS.items():
        for kind in (together.local, together.sharded):
            trainer = kind(setup)
            results = rounds_of(trainer, setup, 0, 2)
            found[name, kind.__name__] = (results, end_state(trainer), trainer.policy_version)
            trainer.close()
    return found


def rounds_without_signal(together: Together) -> dict[str, Any]:
    """Train a round, in parts of few tokens, then one in which all rewards are equal."""
    setup = make_setup(
        make_algorithm(),
        micro_batch_tokens=60,
        optimizer=OptimizerConfig(learning_rate=1e-3, weight_decay=0.1),
    )
    trainer = together.sharded(setup)
    rounds_of(trainer, setup, 0, 1)
    before = end_state(trainer)
    [result] = rounds_of(trainer, setup, 1, 2, reward=equal_rewards)
    return {
        "result": result,
        "before": before,
        "after": end_state(trainer),
        "policy_version": trainer.policy_version,
    }


def equal_rewards(prompts: Sequence[Prompt], responses: Sequence[str]) -> list[Score]:
    return [Score(reward=0.5) for _ in responses]


def continue_from_disk(together: Together) -> dict[str, torch.Tensor]:
    """Return the end state of two rounds with a stop after the first."""
    setup = SETUPS["pmd_mean"]
    first = together.sharded(setup)
    rounds_of(first, setup, 0, 1)
    save_policy(
        first.whole_policy(),
        together.folder / "round_1",
        optimizer_state=first.optimizer_state(),
    )
    reference = PolicyReference(folder=together.folder / "round_1", round_index=1)
    second = together.sharded(setup, reference)
    first.close()  # comes late: the second trainer has the processes
    rounds_of(second, setup, 1, 2)
    return end_state(second)


def batch_of(trainer: Trainer, setup: TrainingSetup) -> TrainingBatch:
    rollouts = make_rollouts()
    batch = to_batch(rollouts)
    return TrainingBatch(
        rollouts=batch,
        names=[f"{rollout.problem_id}#{rollout.sample_index}" for rollout in rollouts],
        behaviour_log_probs=trainer.log_probs(batch).log_probs,
        advantages=advantages_of(setup.algorithm, batch.rewards, batch.group_ids),
        rollout_weights=rollout_weights(setup.algorithm, batch.rewards, batch.group_ids),
    )


def update_on_few_rollouts(together: Together) -> dict[str, Any]:
    """Update on one rollout, so that a process has none, and on three, each a part of its own."""
    setup = make_setup(make_algorithm(), micro_batch_tokens=1)
    found = {}
    for kind in (together.local, together.sharded):
        trainer = kind(setup)
        batch = batch_of(trainer, setup)
        results = [
            trainer.update(batch, torch.tensor(rows), learning_rate=1e-3, where="")
            for rows in ([3], [0, 4, 8])
        ]
        found[kind.__name__] = (batch.behaviour_log_probs, results, end_state(trainer))
    return found


def update_tied_weights(together: Together) -> dict[str, Any]:
    """Update a model whose output head is its embedding: one parameter in two modules."""
    policy = build_policy(TINY, seed=0)
    policy.model.config.tie_word_embeddings = True
    policy.model.tie_weights()
    save_policy(policy, together.folder / "tied")
    setup = SETUPS["pmd_mean"]
    found = {}
    for kind in (together.local, together.sharded):
        trainer = kind(setup, PolicyReference(folder=together.folder / "tied"))
        batch = batch_of(trainer, setup)
        result = trainer.update(batch, torch.arange(16), learning_rate=1e-3, where="")
        found[kind.__name__] = (result, end_state(trainer))
    return found


def update_on_nan(together: Together) -> dict[str, Any]:
    setup = SETUPS["pmd_mean"]
    trainer = together.sharded(setup)
    batch = batch_of(trainer, setup)
    batch.behaviour_log_probs[5, 0] = torch.nan
    before = end_state(trainer)
    try:
        trainer.update(batch, torch.arange(16), learning_rate=1e-3, where="round 3")
        message = "nothing was raised"
    except NonFiniteUpdateError as error:
        message = str(error)
    return {
        "message": message,
        "before": before,
        "after": end_state(trainer),
        "policy_version": trainer.policy_version,
    }


def reset_moments(together: Together) -> list[int]:
    """Return how many tensors the optimizer has after an update, and after a reset."""
    trainer = together.sharded(SETUPS["pmd_mean"])
    batch = batch_of(trainer, SETUPS["pmd_mean"])
    trainer.update(batch, torch.arange(16), learning_rate=1e-3, where="")
    after_update = len(trainer.optimizer_state())
    trainer.reset_optimizer()
    return [after_update, len(trainer.optimizer_state())]


def bfloat16_round(together: Together) -> Any:
    trainer = together.sharded(SETUPS["pmd_mean"], precision="bfloat16")
    [result] = rounds_of(trainer, SETUPS["pmd_mean"], 0, 1)
    return result, {k: v.dtype for k, v in end_state(trainer).items()}


def worker_error(processes: TrainingProcesses) -> str:
    """Give the other process something that it cannot work on."""
    try:
        processes.call(
            "log_probs",
            [LogProbShare(mini_batches=[to_batch(make_rollouts())], with_entropy=False), "nothing"],
        )
    except TrainingProcessError as error:
        return str(error)
    return "nothing was raised"


def drive(folder: Path) -> None:
    processes = TrainingProcesses(TorchrunProcesses(take_launch()))
    together = Together(folder, processes)
    found = {
        "environment": dict(os.environ),
        "rounds": compare_rounds(together),
        "without signal": rounds_without_signal(together),
        "continued": continue_from_disk(together),
        "few rollouts": update_on_few_rollouts(together),
        "tied weights": update_tied_weights(together),
        "nan": update_on_nan(together),
        "reset": reset_moments(together),
        "bfloat16": bfloat16_round(together),
        "worker error": worker_error(processes),
    }
    close_rewards()
    (folder / "found.pickle").write_bytes(pickle.dumps(found))


def take_part(folder: Path) -> None:
    """Drive, as rank 0, or serve; the driver leaves what it found in ``folder``."""
    torch.set_num_threads(1)
    launch = take_launch()
    if launch.rank > 0:
        sys.exit(serve(launch))
    drive(folder)
