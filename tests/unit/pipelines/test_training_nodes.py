"""What a phase of training hands over to Kedro."""

import gc
import weakref
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pandas as pd
from helpers import make_algorithm, make_setup
from kedro.io import AbstractDataset, DataCatalog
from kedro.pipeline import Node, Pipeline
from kedro.runner import SequentialRunner

from pmd_pipeline.config.algorithms import AlgorithmParameters
from pmd_pipeline.config.compute import ComputeConfig
from pmd_pipeline.config.engines import TransformersEngineConfig
from pmd_pipeline.config.rewards import MathRewardConfig, RewardParameters
from pmd_pipeline.config.training_runs import TrainingRun
from pmd_pipeline.datasets.rounds import RoundPartitionsDataset
from pmd_pipeline.engines.transformers_engine import TransformersEngine
from pmd_pipeline.pipelines.training.nodes import make_train_phase
from pmd_pipeline.policies.policy import Policy
from pmd_pipeline.policies.reference import PolicyReference, TrainingState
from pmd_pipeline.policies.storage import save_policy
from pmd_pipeline.schemas.rollouts import EachRoundRolloutTable

NUM_ROUNDS = 4


class Alive:
    """Counts the objects of each round that are still there when a later round is saved."""

    def __init__(self) -> None:
        self.most = 0
        self._seen: list[weakref.ref[Any]] = []

    def look_at(self, item: object) -> None:
        gc.collect()
        self._seen.append(weakref.ref(item))
        self.most = max(self.most, sum(seen() is not None for seen in self._seen))


class Rollouts(RoundPartitionsDataset):
    """Looks at each round's table as it is saved."""

    def __init__(self, path: str, alive: Alive) -> None:
        super().__init__(path=path)
        self._alive = alive

    def save(self, data: Mapping[str, Callable[[], pd.DataFrame]]) -> None:
        ((name, load),) = EachRoundRolloutTable().validate(data).items()
        table = load()
        self._alive.look_at(table)
        super().save({name: table})


class States(AbstractDataset[TrainingState, PolicyReference]):
    """Looks at each round's moments as they are saved."""

    def __init__(self, alive: Alive) -> None:
        self._alive = alive

    def load(self) -> PolicyReference:
        raise NotImplementedError

    def save(self, data: TrainingState) -> None:
        # As a GPU's trainer gives them: copies in the memory of the host.
        moments = {name: tensor.clone() for name, tensor in data.optimizer_state().items()}
        self._alive.look_at(next(iter(moments.values())))

    def _describe(self) -> dict[str, Any]:
        return {}


def test_after_a_round_nothing_large_of_former_rounds_is_in_memory(
    tiny_policy: Policy, tmp_path: Path
) -> None:
    save_policy(tiny_policy, tmp_path / "initial")
    setup = make_setup(make_algorithm(), rounds_per_phase=NUM_ROUNDS)
    # The tiny policy is always wrong: what tells its responses apart is their length.
    rewards = MathRewardConfig(convention="boxed", num_workers=1, overlong_buffer_tokens=10)
    inputs = {
        "selected_prompts": prompts(),
        "previous_policy": PolicyReference(folder=tmp_path / "initial"),
        "resume_points": {},
        "engine": TransformersEngine(TransformersEngineConfig()),
        "training": setup.training,
        "algorithm": AlgorithmParameters(setup.algorithm),
        "rewards": RewardParameters(rewards),
        "compute": ComputeConfig(device="cpu"),
        "seed": 0,
    }
    tables, moments = Alive(), Alive()
    catalog = DataCatalog(
        {"rollouts": Rollouts(str(tmp_path / "rollouts"), tables), "policy": States(moments)}
    )
    for name, value in inputs.items():
        catalog[name] = value
    outputs = {"rollouts": "rollouts", "round_metrics": "round_metrics", "policy": "policy"}
    train = Node(
        make_train_phase(TrainingRun("a", 0), 1),
        {name: name for name in inputs},
        outputs,
        name="train",
    )
    SequentialRunner().run(Pipeline([train]), catalog)
    assert len(catalog["rollouts"].load()) == NUM_ROUNDS
    assert tables.most == 1
    assert moments.most == 1


def prompts() -> pd.DataFrame:
    texts = ["1+2", "12+30", "3+4", "5+5"]
    return pd.DataFrame(
        {
            "problem_id": texts,
            "problem": texts,
            "answer": "3",
            "source": "addition",
            "split": "train",
            "metadata": "{}",
            "turns": "",
            "prompt": [f"{text}?" for text in texts],
            "has_special_tokens": False,
            "num_prompt_tokens": 4,
        }
    )
