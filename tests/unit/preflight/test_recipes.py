"""The recipes: each is parsed, has the paper's numbers, and differs only where it says.

``smollm2`` stands beside the paper's: the same rules hold for what it may repeat and make up.
"""

from pathlib import Path
from typing import Any

import pytest
import yaml
from helpers import PROJECT

from pmd_pipeline.config.algorithms import PmdConfig
from pmd_pipeline.config.data_preparation import Gsm8kSource
from pmd_pipeline.config.engines import VllmEngineConfig, parse_engine
from pmd_pipeline.config.experiment import ExperimentConfig, ParameterError, parse_parameters
from pmd_pipeline.config.policy import PretrainedPolicyConfig
from pmd_pipeline.config_loader import VariantConfigLoader
from pmd_pipeline.preflight.revisions import fill_missing_revisions

MODELS = {
    "paper_qwen2_5_7b": "Qwen/Qwen2.5-7B",
    "paper_qwen3_4b": "Qwen/Qwen3-4B-Base",
    "paper_qwen3_30b_a3b": "Qwen/Qwen3-30B-A3B-Base",
}
COMMIT = "0123456789abcdef0123456789abcdef01234567"
REVISIONS = {
    "policy_initialisation": {"policy": {"revision": COMMIT}},
    "data_preparation": {
        "train": {"revision": COMMIT},
        "evals": {"aime_2024": {"revision": COMMIT}, "aime_2025": {"revision": COMMIT}},
    },
}
SMOLLM2_REVISIONS = {
    "policy_initialisation": {"policy": {"revision": COMMIT}},
    "data_preparation": {
        "train": {"revision": COMMIT},
        "evals": {name: {"revision": COMMIT} for name in ("gsm8k", "aime_2024", "aime_2025")},
    },
}
recipes = pytest.mark.parametrize("env", sorted(MODELS))


@recipes
def test_the_recipe_has_the_papers_numbers(env: str) -> None:
    experiment = _parse(env)
    training, evaluation = experiment.training, experiment.evaluation
    assert training.prompts_per_round == 512
    assert training.group_size == 16
    assert training.prompts_per_round // training.num_mini_batches == 32
    assert training.optimizer.learning_rate == 1e-6
    assert training.optimizer.decay == "constant"
    assert training.optimizer.num_warmup_updates == 0
    assert training.sampling.temperature == 1
    assert training.sampling.keeps_full_support
    assert experiment.data_preparation.max_prompt_tokens == 2048
    assert training.sampling.max_new_tokens == 8192
    assert training.num_rounds == 300
    assert 5 <= training.rounds_per_phase <= 10
    assert evaluation.num_samples == 32
    assert evaluation.sampling.temperature == 1
    assert evaluation.sampling.top_p == 0.7
    assert evaluation.sampling.max_new_tokens == 8192


@recipes
def test_the_recipe_trains_on_dapo_and_is_evaluated_on_two_years_of_aime(env: str) -> None:
    experiment = _parse(env)
    data, policy = experiment.data_preparation, experiment.policy_initialisation.policy
    assert isinstance(policy, PretrainedPolicyConfig)
    assert policy.hub_name == MODELS[env]
    assert data.train.kind == "dapo"
    assert {name: source.kind for name, source in data.evals.items()} == {
        "aime_2024": "aime",
        "aime_2025": "aime",
    }
    assert data.prompt_template == "dapo"
    rewards = experiment.rewards
    assert rewards.convention == "answer_line"
    assert (rewards.correct_reward, rewards.incorrect_reward) == (1, -1)
    assert rewards.overlong_buffer_tokens is None


@recipes
def test_the_recipe_trains_the_algorithms_of_figure_4(env: str) -> None:
    trained = _parse(env).trained_algorithms()
    assert {algorithm.kind for algorithm in trained.values()} == {
        "pmd_mean",
        "pmd_part",
        "grpo",
        "gspo",
        "on_policy_gradient",
    }
    tau = 0.1 if "30b" in env else 0.01
    for algorithm in trained.values():
        if isinstance(algorithm, PmdConfig):
            assert algorithm.tau == tau
            assert algorithm.length_normalisation == "response"
            assert algorithm.baseline.startswith("leave_one_out")
    assert (trained["gspo"].clip_low, trained["gspo"].clip_high) == (3e-4, 4e-4)  # type: ignore[union-attr]
    assert trained["grpo"].dual_clip == 3  # type: ignore[union-attr]
    # Sixteen updates on fresh samples, as many prompts each as a mini-batch of the others.
    assert _parse(env).comparison.equal == ("rollouts", "updates")
    assert _parse(env).training.num_mini_batches == 16


@recipes
def test_the_grid_of_tau_has_a_label_for_each_value(env: str) -> None:
    algorithms = dict(_parse(env).algorithms.items())
    for kind in ("pmd_mean", "pmd_part"):
        taus = {
            algorithm.tau
            for algorithm in algorithms.values()
            if isinstance(algorithm, PmdConfig) and algorithm.kind == kind
        }
        assert taus == {0.005, 0.01, 0.02, 0.05, 0.1}
    for label, algorithm in algorithms.items():
        if "_tau_" in label:
            assert isinstance(algorithm, PmdConfig)
            assert label.partition("_tau_")[2].replace("_", ".", 1) == str(algorithm.tau)


@recipes
def test_no_revision_is_made_up_and_each_missing_one_is_named(env: str) -> None:
    parameters = _loader(env, {})["parameters"]
    _, missing = fill_missing_revisions(parameters)
    assert [(item.key, item.kind) for item in missing] == [
        ("policy_initialisation.policy", "model"),
        ("data_preparation.train", "dataset"),
        ("data_preparation.evals.aime_2024", "dataset"),
        ("data_preparation.evals.aime_2025", "dataset"),
    ]
    with pytest.raises(ParameterError) as raised:
        parse_parameters(parameters)
    for item in missing:
        assert f"hub_name '{item.hub_name}' needs revision" in str(raised.value)


@pytest.mark.parametrize("env", [*sorted(MODELS), "smollm2"])
def test_the_recipe_repeats_nothing_of_the_base(env: str) -> None:
    base = _flat(_loader("base", {})["parameters"])
    for key, value in _flat(_own(env)).items():
        assert key not in base or base[key] != value, f"{key} is {value} in the base already"


def test_the_recipes_differ_by_model_thinking_and_tau_alone() -> None:
    settings = [_flat(_parse(env).model_dump(mode="json")) for env in MODELS]
    differing = {
        key
        for key in set().union(*settings)
        if any(other.get(key) != settings[0].get(key) for other in settings)
    }
    others = {key for key in differing if not key.startswith("algorithms.")}
    assert others == {
        "policy_initialisation.policy.hub_name",
        "data_preparation.enable_thinking",
        "reporting.title",
    }
    assert all(".pmd_" in key for key in differing - others)


@recipes
def test_the_recipe_keeps_its_data_apart_and_samples_with_vllm(env: str) -> None:
    loader = _loader(env, {})
    assert loader["globals"]["data_root"] == f"data/{env}"
    entry = loader["catalog"]["rollout_engine"]
    engine = parse_engine(entry["backend"], entry["options"])
    assert isinstance(engine, VllmEngineConfig)
    experiment = _parse(env)
    longest = experiment.data_preparation.max_prompt_tokens
    for sampling in (experiment.training.sampling, experiment.evaluation.sampling):
        assert engine.max_model_len == longest + sampling.max_new_tokens


def test_smollm2_learns_gsm8k_and_is_held_against_its_test_set_and_aime() -> None:
    experiment = _parse("smollm2", SMOLLM2_REVISIONS)
    data, policy = experiment.data_preparation, experiment.policy_initialisation.policy
    assert isinstance(policy, PretrainedPolicyConfig)
    assert policy.hub_name == "HuggingFaceTB/SmolLM2-135M-Instruct"
    gsm8k = data.evals["gsm8k"]
    assert isinstance(data.train, Gsm8kSource)
    assert isinstance(gsm8k, Gsm8kSource)
    assert (data.train.hub_name, data.train.hub_split) == (gsm8k.hub_name, "train")
    assert gsm8k.hub_split == "test"
    assert [source.kind for source in data.evals.values()] == ["gsm8k", "aime", "aime"]
    assert (data.prompt_template, experiment.rewards.convention) == ("boxed", "boxed")


def test_smollm2_runs_on_a_laptop_without_touching_the_embedded_default() -> None:
    loader = _loader("smollm2", SMOLLM2_REVISIONS)
    assert loader["globals"]["data_root"] == "data/smollm2"
    assert loader["catalog"]["rollout_engine"]["backend"] == "transformers"
    experiment = parse_parameters(loader["parameters"])
    assert (experiment.compute.device, experiment.compute.precision) == ("cpu", "float32")
    assert experiment.training.sampling.max_new_tokens <= 256


def test_smollm2_names_each_revision_that_is_left_to_fill_in() -> None:
    _, missing = fill_missing_revisions(_loader("smollm2", {})["parameters"])
    assert [item.key for item in missing] == [
        "policy_initialisation.policy",
        "data_preparation.train",
        "data_preparation.evals.gsm8k",
        "data_preparation.evals.aime_2024",
        "data_preparation.evals.aime_2025",
    ]


def _loader(env: str, runtime_params: dict[str, Any]) -> VariantConfigLoader:
    return VariantConfigLoader(
        conf_source=str(PROJECT / "conf"),
        env=env,
        base_env="base",
        default_run_env="local",
        merge_strategy={"parameters": "soft"},
        runtime_params=runtime_params,
    )


def _parse(env: str, revisions: dict[str, Any] = REVISIONS) -> ExperimentConfig:
    return parse_parameters(_loader(env, revisions)["parameters"])


def _own(env: str) -> dict[str, Any]:
    path: Path = PROJECT / "conf" / env / "parameters.yml"
    return dict(yaml.safe_load(path.read_text(encoding="utf-8")))


def _flat(values: dict[str, Any], prefix: str = "") -> dict[str, Any]:
    flat: dict[str, Any] = {}
    for key, value in values.items():
        if isinstance(value, dict):
            flat |= _flat(value, f"{prefix}{key}.")
        else:
            flat[f"{prefix}{key}"] = value
    return flat
