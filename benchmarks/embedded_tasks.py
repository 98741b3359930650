"""How the embedded policy starts and what it learns: difficulties, families, wanted pass rates.

    python benchmarks/embedded_tasks.py --tasks easy standard hard --algorithms pmd_mean pmd_part
    python benchmarks/embedded_tasks.py --tasks standard --pass-rates 0.02 0.05 0.2 0.5

Each line is a warm start from one seed: the pass rate on held-out problems before training and
after the rounds of each algorithm, as ``conf/base`` trains it, but on all problems: none is left
out for being always solved, or never. CPU-seconds of one thread.
"""

import argparse
import time
from collections.abc import Iterator, Mapping
from copy import deepcopy
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
import yaml
from tables import Column, print_table

from pmd_pipeline.config.engines import TransformersEngineConfig
from pmd_pipeline.config.experiment import ExperimentConfig, parse_parameters
from pmd_pipeline.engines.transformers_engine import TransformersEngine
from pmd_pipeline.policies.loading import initialise_policy
from pmd_pipeline.policies.policy import Policy
from pmd_pipeline.problems.prompts import render_prompts, table_to_prompts
from pmd_pipeline.problems.sources import load_problems
from pmd_pipeline.records import Prompt
from pmd_pipeline.rewards.choice import make_reward
from pmd_pipeline.rollouts.collect import collect_rollouts
from pmd_pipeline.seeds import derive_seed
from pmd_pipeline.training.rounds import run_rounds
from pmd_pipeline.training.setup import TrainingSetup
from pmd_pipeline.training.trainer import LocalTrainer

PROJECT = Path(__file__).parents[1]
NUM_HELD_OUT = 256
NUM_SAMPLES = 8
NUM_INITIAL_SAMPLES = 32  # low pass rates need more

TASKS: Mapping[str, Mapping[str, Any]] = {
    name: {"kind": "generated_addition", "difficulty": name}
    for name in ("easy", "standard", "hard")
} | {
    "chain_sum": {
        "kind": "reasoning_gym",
        "dataset": "chain_sum",
        "options": {"min_terms": 2, "max_terms": 3, "min_digits": 1, "max_digits": 1},
        "text": "expression",
    }
}

# What is not as in conf/base: as in conf/chain_sum.
WARM_STARTS: Mapping[str, Mapping[str, Any]] = {"chain_sum": {"num_steps": 1400}}


@dataclass(frozen=True, slots=True, kw_only=True)
class Measured:
    """One warm start and what became of it.

    Attributes:
        task: Its name.
        wanted: Pass rate; None: as the mistakes make it.
        seed: Of the run.
        rates: On held-out problems: the initial policy's under ``""``, then each algorithm's.
        noted: The pass rate that the warm start has measured itself, None if it has not.
        cpu_seconds: Of the warm start, and of each algorithm's rounds.
    """

    task: str
    wanted: float | None
    seed: int
    rates: dict[str, float]
    noted: float | None
    cpu_seconds: dict[str, float]


def main() -> None:
    """Measure and print the table."""
    arguments = _arguments()
    torch.set_num_threads(1)
    measured = []
    for line in _measure_all(arguments):
        print(line, flush=True)
        measured.append(line)
    names = ["", *arguments.algorithms]
    rows = [
        [
            line.task,
            "-" if line.wanted is None else f"{line.wanted:g}",
            str(line.seed),
            "-" if line.noted is None else f"{line.noted:.3f}",
            *(f"{line.rates[name]:.3f}" for name in names),
            *(f"{line.cpu_seconds[name]:.0f}" for name in names),
        ]
        for line in measured
    ]
    columns = [
        Column("task"),
        *(Column(name, is_number=True) for name in ("wanted", "seed", "measured", "held out")),
        *(Column(name, is_number=True) for name in arguments.algorithms),
        Column("CPU-s warm start", is_number=True),
        *(Column(f"CPU-s {name}", is_number=True) for name in arguments.algorithms),
    ]
    print_table("Pass rates", columns, rows, markdown=arguments.markdown)


def _measure_all(arguments: argparse.Namespace) -> Iterator[Measured]:
    for task in arguments.tasks:
        for wanted in arguments.pass_rates or [None]:
            for seed in arguments.seeds:
                yield _measure(task, wanted, seed, arguments)


def _measure(task: str, wanted: float | None, seed: int, arguments: argparse.Namespace) -> Measured:
    experiment = _experiment(task, wanted, seed)
    data = experiment.data_preparation
    problems = load_problems(data, seed=seed)
    started = time.process_time()
    initial = initialise_policy(
        experiment.policy_initialisation,
        seed=derive_seed(seed, "initial policy"),
        held_out=frozenset(problems["problem"][problems["split"] == "eval"]),
        train=data.train,
        device=torch.device("cpu"),
    )
    cpu_seconds = {"": time.process_time() - started}
    table, _ = render_prompts(problems, initial.tokenizer, data)
    train, held_out = (
        table_to_prompts(table[table["split"] == split], initial.tokenizer)
        for split in ("train", "eval")
    )
    rates = {"": _pass_rate(initial, held_out, experiment, NUM_INITIAL_SAMPLES)}
    for algorithm in arguments.algorithms:
        started = time.process_time()
        policy = _trained(deepcopy(initial), algorithm, train, experiment)
        cpu_seconds[algorithm] = time.process_time() - started
        rates[algorithm] = _pass_rate(policy, held_out, experiment, NUM_SAMPLES)
    note = getattr(initial.model.config, "warm_start", None)
    return Measured(
        task=task,
        wanted=wanted,
        seed=seed,
        rates=rates,
        noted=None if note is None else note["measured_pass_rate"],
        cpu_seconds=cpu_seconds,
    )


def _experiment(task: str, wanted: float | None, seed: int) -> ExperimentConfig:
    parameters: dict[str, Any] = {}
    for file in sorted((PROJECT / "conf" / "base").glob("parameters*.yml")):
        parameters |= yaml.safe_load(file.read_text(encoding="utf-8"))
    parameters["seed"] = seed
    source = TASKS[task]
    data = parameters["data_preparation"]
    data["train"] = {**source, "num_problems": data["train"]["num_problems"]}
    data["evals"] = {"held_out": {**source, "num_problems": NUM_HELD_OUT}}
    warm_start = {"wanted_pass_rate": wanted, **WARM_STARTS.get(task, {})}
    parameters["policy_initialisation"]["policy"]["warm_start"] = warm_start
    parameters["studies"] = {}
    return parse_parameters(parameters)


def _trained(
    policy: Policy, label: str, prompts: list[Prompt], experiment: ExperimentConfig
) -> Policy:
    setup = TrainingSetup(
        label=label,
        algorithm=experiment.algorithms[label],
        training=experiment.training,
        rewards=experiment.rewards,
        seed=experiment.seed,
        adapter_seed=experiment.seed,
    )
    reward = make_reward(experiment.rewards)
    rounds = run_rounds(
        LocalTrainer(policy, setup),
        TransformersEngine(TransformersEngineConfig()),
        prompts,
        setup,
        reward,
        first_round=0,
        last_round=experiment.training.num_phases * experiment.training.rounds_per_phase,
    )
    for _ in rounds:
        pass
    reward.close()
    return policy


def _pass_rate(
    policy: Policy, prompts: list[Prompt], experiment: ExperimentConfig, num_samples: int
) -> float:
    reward = make_reward(experiment.rewards)
    collected = collect_rollouts(
        TransformersEngine(TransformersEngineConfig()),
        policy,
        prompts,
        num_samples=num_samples,
        sampling=experiment.evaluation.sampling,
        seeds=[derive_seed(experiment.seed, "evaluation", p.problem_id) for p in prompts],
        reward=reward,
    )
    reward.close()
    return sum(bool(rollout.correct) for rollout in collected.rollouts) / len(collected.rollouts)


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--tasks", nargs="+", choices=TASKS, default=list(TASKS))
    parser.add_argument("--pass-rates", nargs="*", type=float, help="wanted ones")
    parser.add_argument("--seeds", nargs="+", type=int, default=[0, 1, 2])
    parser.add_argument("--algorithms", nargs="*", default=["pmd_mean"])
    parser.add_argument("--markdown", action="store_true", help="a table for docs/")
    return parser.parse_args()


if __name__ == "__main__":
    main()
