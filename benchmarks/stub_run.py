"""A whole run in which only sampling and updating are made up; one process, one JSON line.

    python benchmarks/stub_run.py '{"num_rollouts": 1024, "num_tokens": 64, "num_rounds": 3}'

Kedro, the hooks, the catalog's datasets with their schemas and checksums, MLflow and the grading of
easy answers are the real ones, in a folder of its own that is removed. ``scale.py`` and
``orchestration.py`` start it. What it takes and prints: see
``stub_work.py``.
"""

import json
import os
import resource
import shutil
import sys
import tempfile
import time
from dataclasses import asdict
from importlib import import_module
from pathlib import Path
from typing import Any

import torch
import yaml
from kedro.framework.session import KedroSession
from kedro.framework.startup import bootstrap_project
from stub_parts import Meter, StubEngine, StubTrainer, wide_tokenizer
from stub_work import CHECKPOINT, Outcome, StubWork
from torch import Tensor
from transformers import Qwen2Config, Qwen2ForCausalLM

from pmd_pipeline.policies.policy import Policy

PROJECT = Path(__file__).parents[1]
GROUP_SIZE = 8
# Hidden size, feed-forward size, layers, heads, heads of keys, vocabulary: those of Qwen2.5-0.5B.
LARGE_SHAPE = (896, 4864, 24, 14, 2, 151_936)
SMALL_SHAPE = (64, 128, 2, 4, 4, 30_100)
LABELS = ("pmd_mean", "pmd_part", "grpo", "gspo", "on_policy_gradient")


def main() -> None:
    """Run what the first argument says, and print an Outcome as JSON."""
    work = StubWork(**json.loads(sys.argv[1]))
    with tempfile.TemporaryDirectory(dir=work.folder) as folder:
        outcome = run(work, Path(folder))
    print(f"#{json.dumps(asdict(outcome))}", flush=True)


def run(work: StubWork, folder: Path) -> Outcome:
    """Run in an empty folder and measure."""
    _make_project(folder, work)
    os.chdir(folder)
    bootstrap_project(folder)
    meter = Meter()
    trainer = _stub(meter, work)
    start_bytes = _peak_bytes()
    _run_once(work.profile)
    resume_cpu = 0.0
    if work.resumes:
        started = time.process_time()
        _run_once(None)
        resume_cpu = time.process_time() - started
    del trainer
    data = folder / "data" / "stub"
    state = json.loads((data / "run_state.json").read_text(encoding="utf-8"))
    nodes: dict[str, float] = {}
    for name, seconds in state["node_seconds"].items():
        kind = name.rpartition(".")[2]
        if kind != "train":
            nodes[kind] = nodes.get(kind, 0.0) + seconds
    return Outcome(
        cpu=[{name: seconds[0] for name, seconds in part.items()} for part in meter.rounds],
        wall=[{name: seconds[1] for name, seconds in part.items()} for part in meter.rounds],
        node_seconds=nodes,
        resume_cpu=resume_cpu,
        state_bytes=sum(path.stat().st_size for path in data.glob("run_state*")),
        peak_bytes=_peak_bytes(),
        start_bytes=start_bytes,
        checkpoint_bytes=_size(sorted((data / "06_models").glob("*/seed_*/phase_*/round_*"))[-1]),
    )


def _run_once(profile: str | None) -> None:
    import cProfile

    profiler = cProfile.Profile() if profile else None
    with KedroSession.create(Path.cwd(), env="stub") as session:
        if profiler is not None:
            profiler.enable()
        session.run(to_outputs=["comparison", "round_metrics"], only_missing_outputs=True)
        if profiler is not None:
            profiler.disable()
            profiler.dump_stats(profile)


def _make_project(folder: Path, work: StubWork) -> None:
    shutil.copytree(PROJECT / "conf", folder / "conf")
    shutil.copy(PROJECT / "pyproject.toml", folder)
    (folder / "src").mkdir()
    environment = folder / "conf" / "stub"
    environment.mkdir()
    prompts = work.num_rollouts // GROUP_SIZE
    parameters: dict[str, Any] = {
        "data_preparation": {
            "train": {"num_problems": prompts + 16},
            "evals": {"addition": {"num_problems": 16}},
        },
        "policy_initialisation": {"policy": {"warm_start": {"num_steps": 1}}},
        "rollout_generation": {
            "num_samples": 1,
            "min_mean_reward": None,
            "max_mean_reward": None,
        },
        "training": {
            "algorithms": list(LABELS[: work.num_algorithms]),
            "seeds": [0],
            "num_phases": work.num_phases,
            "rounds_per_phase": work.num_rounds // work.num_phases,
            "prompts_per_round": prompts,
            "group_size": GROUP_SIZE,
            "num_mini_batches": 8,
            "sampling": {"max_new_tokens": work.num_tokens},
        },
        "algorithms": {"on_policy_gradient": {"num_mini_batches": 1}},
        "evaluation": {"num_samples": 1},
    }
    (environment / "parameters.yml").write_text(yaml.safe_dump(parameters), encoding="utf-8")
    # Of the states of 0.5B parameters one is enough on disk.
    (environment / "globals.yml").write_text(
        "data_root: data/stub\nkeep_optimizer_states: last\n", encoding="utf-8"
    )


def _stub(meter: Meter, work: StubWork) -> StubTrainer:
    """Put the made-up engine and trainer in their places, and the meter around the rest."""
    from pmd_pipeline.datasets import policies, rounds
    from pmd_pipeline.datasets.engines import RolloutEngineDataset
    from pmd_pipeline.hooks import results, run_state
    from pmd_pipeline.rollouts import collect
    from pmd_pipeline.rollouts.batch import to_batch
    from pmd_pipeline.schemas import rollouts
    from pmd_pipeline.tracking import runs
    from pmd_pipeline.training import trainer as start
    from pmd_pipeline.training.round import run_round
    from pmd_pipeline.training.round_metrics import mean_parts, round_metrics
    from pmd_pipeline.training.round_table import round_to_table
    from pmd_pipeline.training.theory_in_the_loop import theory_metrics

    # So that every module that has a function to be counted is there.
    import_module("pmd_pipeline.pipelines.training.outputs")
    torch.set_num_threads(1)
    policy, optimizer_state = _large_policy() if work.is_large else _small_policy()
    trainer = StubTrainer(meter, policy, optimizer_state)
    engine = StubEngine(meter, work.num_tokens)
    RolloutEngineDataset.load = lambda self: engine  # type: ignore[method-assign]
    start.start_trainer = lambda *_: trainer  # type: ignore[assignment]
    for function, name in [
        (collect.collect_rollouts, "rollouts from completions"),
        (to_batch, "rollouts as tensors"),
        (run_round, "the rest of a round"),
        (round_to_table, "rollouts as a table"),
        (round_metrics, "metrics"),
        (mean_parts, "metrics"),
        (theory_metrics, "held against theory"),
    ]:
        meter.wrap_everywhere(function, name)
    for owner, attribute, name in [
        (collect.EarlyScoring, "finish", "decoding and scoring"),
        (rollouts.EachRound, "validate", "schemas"),
        (rounds.RoundTablesDataset, "save", "parquet files"),
        (rounds.RoundPartitionsDataset, "save", "parquet files"),
        (policies.TrainingStateDataset, "save", CHECKPOINT),
        (results.Results, "records_of", "digests of tables"),
        (run_state.RunState, "note", "run state"),
        (run_state.RunState, "save", "run state"),
        (runs.TrackedRuns, "log_metrics", "outbox of MLflow"),
    ]:
        meter.wrap(owner, attribute, name)
    save = policies.TrainingStateDataset.save

    def save_and_end_round(self: Any, data: Any) -> None:
        save(self, data)
        # What follows the checkpoint counts for the next round; the first has it twice.
        meter.end_round()

    policies.TrainingStateDataset.save = save_and_end_round  # type: ignore[method-assign]
    return trainer


def _small_policy() -> tuple[Policy, dict[str, Tensor]]:
    return _policy(SMALL_SHAPE, torch.float32), {}


def _large_policy() -> tuple[Policy, dict[str, Tensor]]:
    policy = _policy(LARGE_SHAPE, torch.bfloat16)
    state: dict[str, Tensor] = {}
    for name, parameter in policy.model.named_parameters():
        for moment in ("master", "exp_avg", "exp_avg_sq"):
            state[f"{name}.{moment}"] = torch.rand(parameter.shape)
        state[f"{name}.step"] = torch.tensor(1.0)
    return policy, state


def _policy(shape: tuple[int, int, int, int, int, int], dtype: torch.dtype) -> Policy:
    hidden, feed_forward, layers, heads, key_heads, vocabulary = shape
    config = Qwen2Config(
        hidden_size=hidden,
        intermediate_size=feed_forward,
        num_hidden_layers=layers,
        num_attention_heads=heads,
        num_key_value_heads=key_heads,
        vocab_size=vocabulary,
        tie_word_embeddings=True,
        dtype=dtype,
    )
    return Policy(model=Qwen2ForCausalLM(config).to(dtype).eval(), tokenizer=wide_tokenizer())


def _size(folder: Path) -> int:
    return sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())


def _peak_bytes() -> int:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024


if __name__ == "__main__":
    main()
