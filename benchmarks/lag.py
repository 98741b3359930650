"""Sampling beside training: rounds with lag 1 in two processes, against lag 0 in one.

    python benchmarks/lag.py
    python benchmarks/lag.py --repeats 5 --markdown

Rounds of the embedded default, from a policy after a short warm start, in one thread each, so at
least two free cores are needed. The two are measured in turns, so the ratio holds where seconds do
not: a round's wall time is that of its updates and of waiting for rollouts. At best sampling hides
behind updating, or the other way round. ``lag 1 in one process`` samples first and trains then: it
is as stale as lag 1 and saves nothing.
"""

import argparse
from collections.abc import Callable
from contextlib import closing
from copy import deepcopy
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from typing import Any

import torch
import yaml
from tables import Column, print_table

from pmd_pipeline.config.engines import TransformersEngineConfig
from pmd_pipeline.config.experiment import ExperimentConfig, parse_parameters
from pmd_pipeline.engines.base import RolloutEngine
from pmd_pipeline.engines.eager_engine import EagerEngine
from pmd_pipeline.engines.transformers_engine import TransformersEngine
from pmd_pipeline.policies.loading import initialise_policy
from pmd_pipeline.policies.policy import Policy
from pmd_pipeline.problems.prompts import render_prompts, table_to_prompts
from pmd_pipeline.problems.sources import load_problems
from pmd_pipeline.records import Prompt
from pmd_pipeline.rewards.choice import make_reward
from pmd_pipeline.training.round import RoundResult
from pmd_pipeline.training.rounds import run_rounds
from pmd_pipeline.training.setup import TrainingSetup
from pmd_pipeline.training.trainer import LocalTrainer

PROJECT = Path(__file__).parents[1]
ALGORITHM = "pmd_mean"
# The first starts processes; the last has nothing to sample ahead.
LEFT_OUT = (0, -1)


@dataclass(frozen=True, slots=True, kw_only=True)
class Way:
    """A way to run rounds."""

    name: str
    lag: int
    make_engine: Callable[[TransformersEngineConfig], RolloutEngine]


WAYS = (
    Way(name="lag 0, one process", lag=0, make_engine=TransformersEngine),
    Way(name="lag 1, two processes", lag=1, make_engine=TransformersEngine),
    Way(name="lag 1, one process", lag=1, make_engine=EagerEngine),
)


def main() -> None:
    """Measure each way in turns, and print medians over all rounds and repeats."""
    arguments = _arguments()
    torch.set_num_threads(1)
    experiment = _experiment(arguments)
    policy, prompts = _start(experiment)
    rounds: dict[str, list[RoundResult]] = {way.name: [] for way in WAYS}
    for _ in range(arguments.repeats):
        for way in WAYS:
            rounds[way.name] += _rounds(way, experiment, deepcopy(policy), prompts)
    walls = {name: median(map(_wall_seconds, results)) for name, results in rounds.items()}
    first = walls[WAYS[0].name]
    rows = [
        [
            name,
            *(
                f"{median(getattr(result, f'{kind}_seconds') for result in results):.2f}"
                for kind in ("sampling", "updating", "waiting")
            ),
            f"{walls[name]:.2f}",
            f"{walls[name] / first:.2f}",
        ]
        for name, results in rounds.items()
    ]
    sampling, updating = (
        median(getattr(result, f"{kind}_seconds") for result in rounds[WAYS[0].name])
        for kind in ("sampling", "updating")
    )
    columns = [
        Column("a round, seconds"),
        *(Column(name, is_number=True) for name in ("sampling", "updating", "waiting")),
        Column("wall", is_number=True),
        Column("against lag 0", is_number=True),
    ]
    print_table("Sampling beside training", columns, rows, markdown=arguments.markdown)
    best = max(sampling, updating) / (sampling + updating)
    print(f"If all that can overlap did: {best:.2f} of lag 0.")


def _rounds(
    way: Way, experiment: ExperimentConfig, policy: Policy, prompts: list[Prompt]
) -> list[RoundResult]:
    training = experiment.training.model_copy(update={"lag": way.lag})
    setup = TrainingSetup(
        label=ALGORITHM,
        algorithm=experiment.algorithms[ALGORITHM],
        training=training,
        rewards=experiment.rewards,
        seed=0,
        adapter_seed=0,
    )
    engine = way.make_engine(TransformersEngineConfig())
    with closing(engine), closing(make_reward(experiment.rewards)) as reward:
        results = list(
            run_rounds(
                LocalTrainer(policy, setup),
                engine,
                prompts,
                setup,
                reward,
                first_round=0,
                last_round=training.num_rounds,
            )
        )
    return results[LEFT_OUT[0] + 1 : LEFT_OUT[1]]


def _wall_seconds(result: RoundResult) -> float:
    return result.updating_seconds + result.waiting_seconds


def _start(experiment: ExperimentConfig) -> tuple[Policy, list[Prompt]]:
    data = experiment.data_preparation
    problems = load_problems(data, seed=0)
    policy = initialise_policy(
        experiment.policy_initialisation,
        seed=0,
        held_out=frozenset(problems["problem"][problems["split"] == "eval"]),
        train=data.train,
        device=torch.device("cpu"),
    )
    table, _ = render_prompts(problems, policy.tokenizer, data)
    return policy, table_to_prompts(table[table["split"] == "train"], policy.tokenizer)


def _experiment(arguments: argparse.Namespace) -> ExperimentConfig:
    parameters: dict[str, Any] = {"studies": {}}
    for file in sorted((PROJECT / "conf" / "base").glob("parameters*.yml")):
        parameters |= yaml.safe_load(file.read_text(encoding="utf-8"))
    parameters["studies"] = {}
    parameters["training"] |= {
        "algorithms": [ALGORITHM],
        "num_phases": 1,
        "rounds_per_phase": arguments.rounds,
        "prompts_per_round": arguments.prompts,
    }
    policy = parameters["policy_initialisation"]["policy"]
    policy["warm_start"] = {"num_steps": arguments.warm_start_steps}
    return parse_parameters(parameters)


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--repeats", type=int, default=3, help="of each way, in turns")
    parser.add_argument("--rounds", type=int, default=8, help="first and last are left out")
    parser.add_argument("--prompts", type=int, default=128, help="of a round")
    parser.add_argument("--warm-start-steps", type=int, default=300)
    parser.add_argument("--markdown", action="store_true", help="as docs/performance.md has it")
    return parser.parse_args()


if __name__ == "__main__":
    main()
