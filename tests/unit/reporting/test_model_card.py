"""The model card of an exported policy: what the hub reads, and what a reader must know."""

from typing import Any

import pandas as pd
import pytest
from huggingface_hub import ModelCard
from study_helpers import make_experiment

from pmd_pipeline.config.training_runs import TrainingRun
from pmd_pipeline.metrics.best_policy import BestPolicy
from pmd_pipeline.reporting.model_card.card import model_card
from pmd_pipeline.reporting.model_card.facts import CardFacts, PromptExample
from pmd_pipeline.reporting.model_card.words import settings

REVISION = "0123456789abcdef0123456789abcdef01234567"

# A model and problems from the hub, and an evaluation set from a file of this machine.
PUBLIC: dict[str, Any] = {
    "data_preparation": {
        "train": {"kind": "gsm8k", "hub_name": "openai/gsm8k", "hub_config": "main",
                  "revision": REVISION, "num_problems": None},
        "evals": {"addition": None, "own": {"kind": "aime", "path": "/home/me/secret/aime.jsonl"}},
        "prompt_template": "boxed",
    },
    "policy_initialisation": {
        "policy": {"kind": "pretrained", "hub_name": "Qwen/Qwen2.5-7B", "revision": REVISION}
    },
    "training": {"seeds": [0, 1, 2]},
}  # fmt: skip

CHOICE = BestPolicy(
    algorithm="pmd_mean",
    seed=1,
    round_index=4,
    metric="avg_at_k",
    score=0.875,
    initial_score=0.5,
    num_candidates=45,
)


def scores(final: tuple[float, float, float], **columns: Any) -> pd.DataFrame:
    rows = [
        {"metric": "avg_at_k", "k": 4, "round": 0, "value": 0.5, "ci_low": 0.45, "ci_high": 0.55},
        {"metric": "avg_at_k", "k": 4, "round": 4, "value": final[0], "ci_low": final[1],
         "ci_high": final[2]},
        {"metric": "pass_at_k", "k": 1, "round": 4, "value": 0.1, "ci_low": 0.0, "ci_high": 0.2},
        {"metric": "pass_at_k", "k": 4, "round": 0, "value": 0.8, "ci_low": 0.7, "ci_high": 0.9},
        {"metric": "pass_at_k", "k": 4, "round": 4, "value": 0.9, "ci_low": 0.8, "ci_high": 0.95},
    ]  # fmt: skip
    return pd.DataFrame(rows).assign(algorithm="pmd_mean", **columns)


def facts(parameters: dict[str, Any] | None = None, **changes: Any) -> CardFacts:
    _, experiment = make_experiment(**(parameters or {"training": {"seeds": [0, 1, 2]}}))
    name = next(iter(experiment.data_preparation.evals))
    counts = {"num_kept": 1234, "num_rows_in": 2345}
    values: dict[str, Any] = {
        "name": "my-model",
        "experiment": experiment,
        "run": TrainingRun("pmd_mean", 1),
        "round_index": 4,
        "scores": scores((0.875, 0.84, 0.908), eval_set=name, seed=1),
        "means": scores((0.861, 0.81, 0.902), eval_set=name),
        "used": {
            "num_rollouts": 4096, "num_updates": 31, "num_skipped_updates": 1,
            "num_sampled_tokens": 98_765, "num_trained_tokens": 123_456,
        },
        "data_report": {
            "sets": {"train": counts, name: counts},
            "decontaminated": [{"problem_id": "train/7"}],
            "prompts": {"template": "boxed", "chat_template_used": True},
        },
        "source_digests": {"data_preparation.evals.own.path": "ab" * 32},
        "prompt": PromptExample(text="What is {problem}?", has_special_tokens=False),
        "num_parameters": 85_504,
        "dtype": "torch.float32",
        "checksum": "cd" * 32,
        "weights": {"model.safetensors": "ef" * 32},
        "created": "2026-01-02T03.04.05.678Z",
        "commit": "f" * 40,
        "versions": {"python": "3.11.7", "pmd_pipeline": "0.1.0"},
    }  # fmt: skip
    return CardFacts(**(values | changes))


def test_the_hub_reads_what_the_model_is_and_no_licence() -> None:
    card = ModelCard(model_card(facts(PUBLIC, choice=CHOICE, chosen_by=("own",))))
    data = card.data.to_dict()
    assert (data["library_name"], data["pipeline_tag"]) == ("transformers", "text-generation")
    assert data["base_model"] == "Qwen/Qwen2.5-7B"
    assert data["datasets"] == ["openai/gsm8k"]
    assert "pmd-mean" in data["tags"]
    assert "license" not in data
    [result] = data["model-index"][0]["results"]
    [metric] = result["metrics"]
    assert (result["dataset"]["type"], result["dataset"]["name"]) == ("aime", "own")
    assert metric["value"] == 0.875
    assert metric["name"] == "avg@4, of the best of 45 policies by this evaluation"
    assert "The licences of the initial policy and of the data above bind it" in card.text


def test_its_numbers_are_those_of_the_tables_with_what_their_intervals_cover() -> None:
    text = model_card(facts(choice=CHOICE, chosen_by=("addition",)))
    assert (
        "| evaluation set | metric | initial policy | this policy | mean of 3 training seeds |"
        in text
    )
    assert (
        "| addition | avg@4 | 0.500 [0.450, 0.550] | 0.875 [0.840, 0.908] | 0.861 [0.810, 0.902] |"
    ) in text
    assert "| addition | pass@4 | 0.800 [0.700, 0.900] | 0.900" in text
    assert "pass@1" not in text
    assert "mean over 3 training seeds covers seeds and problems" in text
    assert "This policy's numbers on addition are optimistic" in text
    assert "chosen among 45 policies" in text


def test_a_round_that_may_draw_more_says_so() -> None:
    refill = {"low": -1.0, "refill": {"max_extra_rounds": 2}}
    parameters = {
        "training": {"algorithms": ["pmd_mean"], "seeds": [0, 1, 2]},
        "algorithms": {"pmd_mean": {"prompt_filter": refill}},
    }
    text = model_card(facts(parameters))
    assert "a round has 128 prompts x 8, and draws up to 384 prompts to fill it" in text


def test_recipe_and_data_are_told_with_what_was_really_done() -> None:
    text = model_card(facts(PUBLIC))
    for words in (
        "`pmd_mean`: baseline leave_one_out_mean, tau 0.5, length_normalisation response",
        "| rounds | 4 of 6 |",
        "4,096; a round has 128 prompts x 8",
        "31; a round has 8 mini-batches; 1 more had nothing to learn from and did not count",
        "98,765 sampled, 123,456 trained on",
        "AdamW: learning_rate 0.0004, betas [0.9, 0.95]",
        "experiment 0 (problems, initial policy, evaluation), training 1",
        f"[openai/gsm8k](https://huggingface.co/datasets/openai/gsm8k), configuration `main`, "
        f"split `test`, revision `{REVISION}` | 1,234 | 2,345 |",
        f"a local file, `aime.jsonl`, SHA-256 `{'ab' * 32}`",
        "Decontamination dropped 1 train problem: a copy of an evaluation problem",
        "prompt = 'What is {problem}?'",
        "add_special_tokens=True",
    ):
        assert words in text
    assert "/home/me" not in text


def test_lag_is_part_of_the_recipe() -> None:
    lagged = {"lag": 2, "rounds_per_phase": 4, "algorithms": ["pmd_mean"]}
    card = model_card(facts({"training": lagged}))
    told = "from the policy of up to 2 rounds before (`training.lag`), in phases of 4 |"
    assert f"| lag | rollouts were sampled {told}" in card
    assert "| lag |" not in model_card(facts())


def test_a_policy_that_was_not_chosen_is_not_called_the_best() -> None:
    card = ModelCard(model_card(facts()))
    assert "exported by name, not chosen by its results" in card.text
    assert "optimistic" not in card.text
    assert card.data.to_dict()["model-index"][0]["results"][0]["metrics"][0]["name"] == "avg@4"
    assert "no licence of others is known to bind it" in card.text


def test_one_training_seed_and_a_fruitless_training_are_told() -> None:
    luckless = BestPolicy(**{**vars_of(CHOICE), "score": 0.5})
    text = model_card(facts({"training": {"seeds": [1]}}, choice=luckless, chosen_by=("addition",)))
    assert "With one training seed, nothing here says what another training" in text
    assert "mean of" not in text
    assert "It scores no higher than the initial policy." in text


def vars_of(choice: BestPolicy) -> dict[str, Any]:
    return {name: getattr(choice, name) for name in BestPolicy.__slots__}


@pytest.mark.parametrize(
    ("value", "shown"),
    [
        ({"folder": "/data/private/x"}, "folder x"),
        ({"folder": "C:\\private\\x"}, "folder x"),
        ({"inner": {"api_key": "abc", "max_new_tokens": 7}},
         "inner (api_key (left out), max_new_tokens 7)"),
        ({"a": None, "b": {}, "c": [1, 2.5]}, "c [1, 2.5]"),
    ],
)  # fmt: skip
def test_settings_show_no_place_on_the_machine_and_no_secret(
    value: dict[str, Any], shown: str
) -> None:
    assert settings(value) == shown
