"""The hook that docs/wandb.md shows, in a run."""

import json
import re
import sys
from functools import partial
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any

import pandas as pd
import pytest
from helpers import PROJECT

PAGE = PROJECT / "docs" / "wandb.md"
PARAMS = {"training": {"algorithms": ["pmd_mean"], "num_phases": 1}}


class PlayedWandb(ModuleType):
    """W&B's module, as far as the hook knows it; what it is told is in `runs`."""

    def __init__(self) -> None:
        super().__init__("wandb")
        self.runs: dict[str, dict[str, Any]] = {}

    def init(self, *, id: str, **options: Any) -> SimpleNamespace:
        told = self.runs[id] = {**options, "logged": [], "axis": None, "exit_code": None}
        return SimpleNamespace(
            log=told["logged"].append,
            define_metric=lambda name, step_metric: told.update(axis=step_metric),
            finish=lambda exit_code: told.update(exit_code=exit_code),
        )


def add_the_pages_hook(wandb: ModuleType) -> None:
    """Do in this process what the page says."""
    from pmd_pipeline import settings

    sys.modules["wandb"] = wandb
    code = re.findall(r"```python\n(# src/pmd_pipeline/hooks/.*?)```", PAGE.read_text(), re.DOTALL)
    assert len(code) == 1
    names: dict[str, Any] = {"__name__": "pmd_pipeline.hooks.wandb_hook"}
    exec(compile(code[0], str(PAGE), "exec"), names)
    settings.HOOKS = (*settings.HOOKS, names["WandbHook"]())  # type: ignore[assignment]


def write_down(wandb: PlayedWandb, path: Path) -> None:
    path.write_text(json.dumps(wandb.runs))


@pytest.mark.slow
def test_the_pages_hook_logs_rounds_and_evaluations_to_wandb(project: Any) -> None:
    wandb, told = PlayedWandb(), project.path / "told.json"
    assert (
        project.run(
            before=partial(add_the_pages_hook, wandb),
            after=partial(write_down, wandb, told),
            params=PARAMS,
            to_outputs=["pmd_mean.seed_0.phase_1.eval_metrics"],
        )
        == 0
    )
    state = json.loads((project.data / "run_state.json").read_text())
    ((name, run),) = json.loads(told.read_text()).items()
    assert name == f"{state['version']}-pmd_mean.seed_0"
    assert (run["group"], run["name"], run["axis"], run["exit_code"]) == (
        state["version"], "pmd_mean.seed_0", "round", 0,
    )  # fmt: skip
    assert run["config"]["algorithm.tau"] == 0.5
    # Two rounds, then the evaluation after them.
    assert [entry["round"] for entry in run["logged"]] == [1, 2, 2]
    rounds = project.data / "07_model_output" / "pmd_mean" / "seed_0" / "phase_1" / "round_metrics"
    rewards = [pd.read_parquet(file)["mean_reward"][0] for file in sorted(rounds.iterdir())]
    assert [entry["sampling/mean_reward"] for entry in run["logged"][:2]] == rewards
    assert "eval/addition/avg_at_2" in run["logged"][2]
