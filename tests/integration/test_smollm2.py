"""SmolLM2-135M-Instruct: is it the model it should be, and does it go through `conf/smollm2`?"""

import math
from pathlib import Path
from typing import Any

import mlflow
import numpy as np
import pandas as pd
import pytest
import torch
from helpers import shared_folder
from real_models import smollm2_folder
from safetensors.torch import load_file

from pmd_pipeline.config.engines import TransformersEngineConfig
from pmd_pipeline.config.prompt_templates import BOXED_INSTRUCTION
from pmd_pipeline.config.sampling import SamplingConfig
from pmd_pipeline.engines.transformers_engine import TransformersEngine
from pmd_pipeline.policies.loading import load_policy_folder
from pmd_pipeline.policies.log_probs import response_log_probs
from pmd_pipeline.policies.policy import Policy
from pmd_pipeline.tracking.metrics import round_metric_name

pytestmark = pytest.mark.slow

ENGLISH = "The sun rises in the east and sets in the west."


@pytest.fixture(scope="module")
def smollm2() -> Policy:
    return load_policy_folder(
        smollm2_folder(), policy_version=0, device=torch.device("cpu"), dtype=torch.float32
    )


def test_the_model_has_the_published_shape_and_one_matrix_for_both_ends(smollm2: Policy) -> None:
    model, config = smollm2.model, smollm2.model.config
    assert smollm2.num_parameters == 134_515_008
    assert model.get_output_embeddings().weight is model.get_input_embeddings().weight
    assert (config.hidden_size, config.num_hidden_layers, config.vocab_size) == (576, 30, 49152)
    assert (config.num_attention_heads, config.num_key_value_heads) == (9, 3)
    assert config.max_position_embeddings == 8192
    assert smollm2.stop_token_ids == {2}


def test_the_chat_model_answers_a_question_and_ends_its_turn(smollm2: Policy) -> None:
    tokenizer = smollm2.tokenizer
    question = [{"role": "user", "content": "What is the capital of France?"}]
    text = tokenizer.apply_chat_template(question, tokenize=False, add_generation_prompt=True)
    engine = TransformersEngine(TransformersEngineConfig())
    greedy = SamplingConfig(top_k=1, max_new_tokens=24)
    [[answer]] = engine.generate(
        [tokenizer(text)["input_ids"]],
        version=engine.publish(smollm2),
        num_samples=1,
        sampling=greedy,
        seeds=[0],
    )
    assert tokenizer.decode(answer.token_ids) == "The capital of France is Paris.<|im_end|>"
    assert not answer.truncated


def test_english_is_likely_and_the_same_words_backwards_are_not(smollm2: Policy) -> None:
    backwards = " ".join(reversed(ENGLISH.split()))
    likely, unlikely = (mean_log_prob(smollm2, text) for text in (ENGLISH, backwards))
    assert -2.5 < likely < -0.5
    assert unlikely < likely - 2
    assert unlikely > -math.log(49152), "worse than guessing: weights are in the wrong place"


def test_two_real_problems_go_through_the_environment(project: Any) -> None:
    result = project.kedro(
        "run", "--env", "smollm2", "--to-outputs", "initial.eval_metrics", "--params",
        aime_files()
        + ",data_preparation.evals.aime_2024.limit=1,data_preparation.evals.aime_2025.limit=1"
        + ",compute.num_threads=1"
        + ",evaluation.num_samples=1,evaluation.sampling.max_new_tokens=32",
    )  # fmt: skip
    assert result.returncode == 0, result.stderr[-3000:]
    problems = newest(project.path / "data/smollm2/03_primary/eval_problems.parquet")
    for row in problems.to_dict("records"):
        assert row["prompt"] == (
            f"<|im_start|>system\n{BOXED_INSTRUCTION}<|im_end|>\n"
            f"<|im_start|>user\n{row['problem']}<|im_end|>\n<|im_start|>assistant\n"
        )
    initial = project.path / "data/smollm2/07_model_output/initial"
    completions = pd.read_parquet(initial / "eval_completions.parquet")
    assert completions["eval_set"].tolist() == ["aime_2024", "aime_2025"]
    assert completions["gold"].str.fullmatch(r"\d{1,3}").all()
    assert completions["num_tokens"].between(1, 32).all()
    assert completions["response"].str.contains(r"[a-z]{3,} [a-z]{2,}").all(), "it writes English"
    metrics = pd.read_parquet(initial / "eval_metrics.parquet")
    assert metrics.query("metric == 'avg_at_k'")[["eval_set", "k"]].to_numpy().tolist() == [
        ["aime_2024", 1],
        ["aime_2025", 1],
    ]


@pytest.mark.real_model
@pytest.mark.timeout(1800)
def test_all_of_aime_2024_and_2025_is_graded(
    project: Any, capsys: pytest.CaptureFixture[str]
) -> None:
    """60 problems, 2 samples each of at most 256 tokens. Prints the table."""
    result = project.kedro(
        "run", "--env", "smollm2", "--to-outputs", "initial.eval_metrics", "--params",
        aime_files() + ",compute.num_threads=2",
        timeout=1500,
    )  # fmt: skip
    assert result.returncode == 0, result.stderr[-3000:]
    initial = project.path / "data/smollm2/07_model_output/initial"
    completions = pd.read_parquet(initial / "eval_completions.parquet")
    metrics = pd.read_parquet(initial / "eval_metrics.parquet")
    with capsys.disabled():
        print("\nAIME, SmolLM2-135M-Instruct")
        print(metrics.to_string(index=False, float_format="%.3f"))
        print(completions["grade_reason"].value_counts().to_string())
    assert completions.groupby("eval_set")["problem_id"].nunique().to_dict() == {
        "aime_2024": 30,
        "aime_2025": 30,
    }
    assert completions.groupby("problem_id").size().eq(2).all()
    assert completions["num_tokens"].between(1, 256).all()
    assert set(completions["grade_reason"]) <= {"correct", "wrong", "no_answer", "unparsable"}
    assert completions["response"].str.contains(r"[a-z]{3,} [a-z]{2,}").mean() > 0.9


@pytest.mark.real_model
@pytest.mark.timeout(1800)
def test_two_rounds_of_pmd_mean_on_gsm8k_change_the_weights_and_log_everything(
    project: Any, tmp_path: Path
) -> None:
    """The model solves next to nothing in 192 tokens: what tells its responses apart is length."""
    lines = (shared_folder("data") / "gsm8k_test.jsonl").read_text().splitlines()
    train, held_out = tmp_path / "train.jsonl", tmp_path / "held_out.jsonl"
    train.write_text("\n".join(lines[:16]))
    held_out.write_text("\n".join(lines[-8:]))
    result = project.kedro(
        "run", "--env", "smollm2", "--params",
        local_files(train, gsm8k=held_out, aime_2024=None, aime_2025=None)
        + ",compute.num_threads=2,rollout_generation.num_samples=4"
        + ",training.algorithms=pmd_mean,training.num_phases=1,training.rounds_per_phase=2"
        + ",training.prompts_per_round=8,training.group_size=4,training.num_mini_batches=2"
        + ",training.sampling.max_new_tokens=192"
        + ",rewards.overlong_buffer_tokens=96"
        + ",evaluation.num_samples=1,evaluation.sampling.max_new_tokens=192",
        timeout=1700,
    )  # fmt: skip
    assert result.returncode == 0, result.stderr[-3000:]
    data = project.path / "data/smollm2"
    assert_weights_changed(
        data / "06_models/initial/policy",
        data / "06_models/pmd_mean/seed_0/phase_1/round_00002/policy",
    )
    rounds = pd.read_csv(data / "08_reporting/round_metrics.csv")
    assert_rounds_are_sound(rounds)
    assert_rollouts_are_whole(data / "07_model_output/pmd_mean/seed_0/phase_1/rollouts", rounds)
    assert_mlflow_has(project.path / "mlflow.db", rounds)
    comparison = pd.read_csv(data / "08_reporting/comparison.csv")
    assert comparison["eval_set"].unique().tolist() == ["gsm8k"]
    assert set(comparison["round"]) == {0, 2}


def mean_log_prob(policy: Policy, text: str) -> float:
    """Return the mean log-prob of a text's tokens after <|endoftext|>, nats."""
    token_ids = torch.tensor([policy.tokenizer(text)["input_ids"]])
    with torch.no_grad():
        result = response_log_probs(
            policy.model, [[0]], token_ids, torch.ones_like(token_ids, dtype=torch.bool),
            temperature=1.0,
        )  # fmt: skip
    return result.log_probs.mean().item()


def local_files(train: Path, **evals: Path | None) -> str:
    """Return the parameters that put local files in the place of the hub's repositories."""
    places: dict[str, Path | None] = {
        "policy_initialisation.policy": smollm2_folder(),
        "data_preparation.train": train,
        **{f"data_preparation.evals.{name}": path for name, path in evals.items()},
    }
    return ",".join(
        f"{key}=null"
        if path is None
        else f"{key}.hub_name=null,{key}.hub_config=null,{key}.path={path}"
        for key, path in places.items()
    )


def aime_files() -> str:
    """Return the parameters for AIME 2024 and 2025 alone."""
    data = shared_folder("data")
    return local_files(
        data / "gsm8k_test.jsonl",
        gsm8k=None,
        aime_2024=data / "aime2024.jsonl",
        aime_2025=data / "aime2025.jsonl",
    )


def newest(versioned: Path) -> pd.DataFrame:
    """Return the latest version of a versioned table."""
    return pd.read_parquet(max(versioned.glob("*/*.parquet")))


def assert_weights_changed(before: Path, after: Path) -> None:
    """Every tensor is another one, finite, and little away from what it was."""
    old, new = (load_file(folder / "model.safetensors") for folder in (before, after))
    assert old.keys() == new.keys()
    for name, tensor in new.items():
        change = (tensor - old[name]).abs()
        assert torch.isfinite(tensor).all(), name
        assert 0 < change.max() < 1e-3, name


def assert_rounds_are_sound(rounds: pd.DataFrame) -> None:
    """Two rounds of 8 x 4 with finite numbers, whose sampler agrees with the trainer."""
    assert rounds["algorithm"].tolist() == ["pmd_mean"] * 2
    assert rounds["round"].tolist() == [1, 2]
    assert rounds["num_rollouts"].tolist() == [32, 32]
    assert rounds["policy_version"].tolist() == [2, 4]
    assert (rounds["no_signal_fraction"] < 0.5).all()
    # Nothing is clipped by PMD-mean, and theory's columns hold for rewards of two values.
    numbers = rounds.drop(columns=["algorithm", "clip_fraction"])
    finite = np.isfinite(numbers.loc[:, ~numbers.columns.str.startswith("theory_")])
    assert finite.all(axis=None), finite.columns[~finite.all()].tolist()
    assert (rounds["mismatch_max"] < 1e-3).all()
    assert (rounds["mismatch_mean"] < 1e-5).all()
    assert (rounds["gradient_norm"] > 0).all()
    # Steps of the regulariser's own size: 1e-5 as learning rate gave 1e6 nats in the first round.
    assert rounds["kl"].between(0, 2, inclusive="neither").all()


def assert_rollouts_are_whole(folder: Path, rounds: pd.DataFrame) -> None:
    """Each round's rollouts are kept and have the rewards that the metrics report."""
    for index, mean_reward in zip(rounds["round"], rounds["mean_reward"], strict=True):
        table = pd.read_parquet(folder / f"round_{index:05d}.parquet")
        assert table.groupby("problem_id").size().tolist() == [4] * 8
        # The longest responses lose up to 1 of their reward of 1 or -1.
        penalty = table["correct"].map({True: 1.0, False: -1.0}) - table["reward"]
        assert penalty.between(0, 1).all()
        assert ((penalty > 0) == (table["num_tokens"] > 96)).all()
        assert table["reward"].mean() == pytest.approx(mean_reward)
        assert table["response"].str.len().gt(0).all()


def assert_mlflow_has(database: Path, rounds: pd.DataFrame) -> None:
    """Every finite number of every round is logged under its name at its step."""
    client = mlflow.MlflowClient(f"sqlite:///{database}")
    experiment = client.get_experiment_by_name("pmd_pipeline")
    assert experiment is not None
    runs = client.search_runs([experiment.experiment_id])
    (run,) = (run for run in runs if run.data.tags.get("algorithm") == "pmd_mean")
    assert run.info.status == "FINISHED"
    for name in ("mean_reward", "loss", "kl", "mismatch_max", "gradient_norm", "entropy"):
        history = client.get_metric_history(run.info.run_id, round_metric_name(name))
        logged = {metric.step: metric.value for metric in history}
        assert logged == pytest.approx(rounds.set_index("round")[name].to_dict()), name
    evaluations = client.get_metric_history(run.info.run_id, "eval/gsm8k/avg_at_1")
    assert {metric.step for metric in evaluations} == {0, 2}
