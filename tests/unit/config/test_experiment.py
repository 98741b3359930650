"""Every shipped environment parses; mistakes are told by the key that a file has."""

import re
from typing import Any

import pytest
from helpers import PROJECT

from pmd_pipeline.config.comparison import planned
from pmd_pipeline.config.experiment import ExperimentConfig, ParameterError, parse_parameters
from pmd_pipeline.config_loader import VariantConfigLoader
from pmd_pipeline.preflight.revisions import fill_missing_revisions

ENVIRONMENTS = sorted(
    folder.name
    for folder in (PROJECT / "conf").iterdir()
    if folder.is_dir() and folder.name != "local" and list(folder.glob("parameters*.yml"))
)


def parameters_of(env: str) -> dict[str, Any]:
    loader = VariantConfigLoader(
        str(PROJECT / "conf"),
        base_env="base",
        default_run_env="local",
        env=env,
        merge_strategy={"parameters": "soft"},
    )
    return dict(loader["parameters"])


@pytest.mark.parametrize("env", ENVIRONMENTS)
def test_every_environment_parses(env: str) -> None:
    # A recipe leaves the revisions open that its user has to choose.
    parameters, _ = fill_missing_revisions(parameters_of(env))
    experiment = parse_parameters(parameters)
    assert isinstance(experiment, ExperimentConfig)
    assert experiment.trained_algorithms()


def test_there_are_environments() -> None:
    assert {"base", "smoke"} <= set(ENVIRONMENTS)


def changed(changes: dict[str, Any]) -> dict[str, Any]:
    parameters = parameters_of("base")
    for key, value in changes.items():
        *path, last = key.split(".")
        section = parameters
        for part in path:
            section = section[part]
        section[last] = value
    return parameters


def mistake(changes: dict[str, Any]) -> str:
    with pytest.raises(ParameterError) as caught:
        parse_parameters(changed(changes))
    return str(caught.value)


def test_the_kind_of_a_variant_is_not_part_of_a_key() -> None:
    assert "\n  algorithms.grpo.clip_low: Input should be greater than 0 (found -1)" in mistake(
        {"algorithms.grpo.clip_low": -1}
    )


def test_every_mistake_is_told_at_once() -> None:
    message = mistake({"seed": -1, "training.num_phases": 0, "evaluation.num_sample": 3})
    assert "seed: " in message
    assert "training.num_phases: " in message
    assert "evaluation.num_sample: unknown parameter; did you mean 'num_samples'?" in message


def test_a_list_of_wrong_entries_is_one_mistake_each() -> None:
    message = mistake({"training.seeds": "a+-1"})
    assert "training.seeds.0: Input should be a valid integer" in message
    assert "training.seeds.1: Input should be greater than or equal to 0" in message
    assert "at least 1 item" not in message
    assert "training.algorithms: Input should be a list" in mistake({"training.algorithms": None})


def test_the_name_of_another_section_is_not_suggested_for_itself() -> None:
    assert "training.seed: unknown parameter; did you mean 'seeds'?" in mistake(
        {"training.seed": "0+1"}
    )
    assert "did you mean 'training'" not in mistake({"algorithms.grpo.training": {}})


def test_a_reference_that_is_no_label_is_refused() -> None:
    """One that is not trained is none for now; null is none at all."""
    message = mistake({"reporting.reference_algorithm": "pmd_men"})
    assert "reporting.reference_algorithm: no algorithm is labelled 'pmd_men'" in message
    one = {"training.algorithms": ["grpo"], "reporting.reference_algorithm": "gspo"}
    for changes in (one, {"reporting.reference_algorithm": None}):
        assert parse_parameters(changed(changes))


def test_an_algorithms_own_group_size_counts() -> None:
    assert "needs a group_size of at least 2, found 1" in mistake({"algorithms.grpo.group_size": 1})


@pytest.mark.parametrize(
    ("label", "baseline"), [("pmd_mean", "mean"), ("pmd_part", "log_partition"), ("grpo", "mean")]
)
def test_groups_of_one_that_can_never_learn_are_refused(label: str, baseline: str) -> None:
    message = mistake(
        {
            "training.algorithms": [label],
            "training.group_size": 1,
            f"algorithms.{label}.baseline": baseline,
        }
    )
    assert f"algorithms.{label}: needs a group_size of at least 2, found 1" in message
    assert f"the baseline {baseline} is the rollout's own reward, so that every adv" in message


def test_algorithms_with_unequal_updates_are_refused_with_each_number() -> None:
    message = mistake({"algorithms.on_policy_gradient.num_mini_batches": 16})
    assert (
        "comparison.equal asks for equal updates, but over the training the algorithms make "
        "different numbers of them: pmd_mean 48, pmd_part 48, grpo 48, gspo 48, "
        "on_policy_gradient 96; set algorithms.on_policy_gradient.num_mini_batches: 8, or take "
        "updates out of comparison.equal (comparison.equal: [rollouts])"
    ) in message


def test_algorithms_with_unequal_rollouts_are_refused_with_each_number() -> None:
    """The value to set is that of the most, even where they override what is shared."""
    message = mistake(
        {
            "training.algorithms": ["pmd_mean", "grpo", "gspo"],
            "algorithms.grpo.group_size": 4,
            "algorithms.gspo.group_size": 4,
        }
    )
    assert "equal rollouts" in message
    assert (
        "pmd_mean 6,144, grpo 3,072, gspo 3,072; set algorithms.pmd_mean.group_size: 4" in message
    )


REFILL = {"algorithms.grpo.prompt_filter": {"low": -1, "refill": {"max_extra_rounds": 2}}}


def test_a_refill_is_refused_where_rollouts_must_be_equal() -> None:
    message = mistake(REFILL)
    assert (
        "how many a refill draws is known only when they are scored: take rollouts out of "
        "comparison.equal (comparison.equal: [updates])"
    ) in message
    assert message.endswith("or leave out algorithms.grpo.prompt_filter.refill")


@pytest.mark.parametrize(
    "changes", [{"comparison.equal": "updates"}, {"training.algorithms": ["grpo"]}]
)
def test_a_refill_is_taken_where_it_is_no_unequal_rival(changes: dict[str, Any]) -> None:
    experiment = parse_parameters(changed({**REFILL, **changes}))
    # 6 rounds of 128 prompts, each drawn three times at most, and 8 rollouts.
    assert planned(experiment.training, experiment.algorithms["grpo"]) == {
        "rollouts": 6 * 128 * 3 * 8,
        "updates": 48,
    }


@pytest.mark.parametrize(
    "changes",
    [
        {"comparison.equal": "rollouts"},  # as --params gives a list
        {"comparison.equal": ""},
        {"comparison.equal": None},  # as --params comparison.equal=
        {"training.algorithms": ["on_policy_gradient"]},
    ],
    ids=["updates need not be equal", "nothing need", "nothing need by --params", "one algorithm"],
)
def test_unequal_updates_are_taken_where_nobody_is_misled(changes: dict[str, Any]) -> None:
    changes = {**changes, "algorithms.on_policy_gradient.num_mini_batches": 16}
    assert parse_parameters(changed(changes)).trained_algorithms()


def test_problems_that_cannot_fill_a_round_are_refused() -> None:
    assert (
        "training.prompts_per_round is 128, but data_preparation.train.num_problems is 100: no "
        "round could be filled"
    ) in mistake({"data_preparation.train.num_problems": 100})
    stored = {"kind": "gsm8k", "path": "train.parquet", "limit": 127}
    policy = {"kind": "pretrained", "path": "model"}
    assert "but data_preparation.train.limit is 127" in mistake(
        {"data_preparation.train": stored, "policy_initialisation.policy": policy}
    )


@pytest.mark.parametrize(
    "changes",
    [
        {"rollout_generation.num_samples": 1},
        {"rollout_generation.min_mean_reward": 1.0, "rollout_generation.max_mean_reward": 2.0},
        {"rollout_generation.min_mean_reward": 0.0, "rollout_generation.max_mean_reward": 0.2},
    ],
    ids=["always -1 or 1", "beyond the best", "between two steps"],
)
def test_bounds_between_which_no_prompt_can_lie_are_refused(changes: dict[str, Any]) -> None:
    message = mistake(changes)
    assert "rollout_generation: no prompt can be selected: the mean of" in message
    assert "rewards of -1 or 1 never lies strictly between" in message


def test_a_prompt_filter_that_drops_every_group_is_refused() -> None:
    bounds = {"low": -1.0, "high": -0.75}  # of 8 rewards, one right one gives -0.75
    assert "algorithms.grpo.prompt_filter: no group can be kept: the mean of 8 rewards" in mistake(
        {"algorithms.grpo.prompt_filter": bounds}
    )


def test_bounds_that_leave_something_are_taken() -> None:
    """With two samples a mean of 0 is possible; with a length penalty any mean is."""
    parameters = parameters_of("base")
    parameters["rollout_generation"]["num_samples"] = 2
    assert parse_parameters(parameters).rollout_generation.num_samples == 2
    parameters["rollout_generation"]["num_samples"] = 1
    parameters["rewards"]["overlong_buffer_tokens"] = 10
    assert parse_parameters(parameters).rollout_generation.num_samples == 1


def test_a_wrong_name_is_told_by_its_key() -> None:
    grpo = {"kind": "grpo"}
    assert "\n  algorithms.initial: 'initial' is a name of the project's own" in mistake(
        {"algorithms.initial": grpo}
    )
    long = "a" * 61
    assert f"\n  algorithms.{long}: String should have at most 60" in mistake(
        {f"algorithms.{long}": grpo}
    )


@pytest.mark.parametrize("name", ["a/b", "../b", "a b", ".a", "a" * 61, "Train"])
def test_names_of_evaluation_sets_that_are_no_file_names_are_refused(name: str) -> None:
    sets = {name: {"kind": "generated_addition", "num_problems": 4}}
    assert "\n  data_preparation.evals" in mistake({"data_preparation.evals": sets})


def test_evaluation_sets_whose_names_differ_by_capitals_alone_are_refused() -> None:
    source = {"kind": "generated_addition", "num_problems": 4}
    message = mistake({"data_preparation.evals": {"AIME": source, "other": source, "aime": source}})
    assert "the evaluation sets 'AIME' and 'aime' differ by capitals alone" in message


def test_token_weights_for_a_loss_on_sequences_are_refused() -> None:
    assert "has one loss per sequence" in mistake(
        {"training.importance_weights": {"level": "token", "cap": 2.0}}
    )


def test_bfloat16_weights_with_products_in_float32_are_refused() -> None:
    assert "weights: bfloat16 needs precision: bfloat16 (found float32)" in mistake(
        {"compute.weights": "bfloat16"}
    )


def test_nan_is_no_number() -> None:
    assert "algorithms.pmd_mean.tau" in mistake({"algorithms.pmd_mean.tau": float("nan")})


CHAIN_SUM = {
    "kind": "reasoning_gym",
    "dataset": "chain_sum",
    "options": {"max_digits": 1},
    "text": "expression",
    "num_problems": 128,
}


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"kind": "generated", "import_path": "a:b", "options": None, "text": None,
          "dataset": None}, "can only read additions and chain sums, but data set 'train'"),
        ({"dataset": "gcd"}, "can only read additions and chain sums, but data set 'train' has"),
        ({"text": "question"}, "reads no words; set data_preparation.train.text: expression"),
        ({"options": {}}, "data_preparation.train.options.max_digits: .*found none: the family"),
        ({"options": {"max_digits": 2}}, r"set it to 1 \(found 2\)"),
        ({"options": {"max_digits": 1, "allow_negation": True}}, "knows no negative terms; remove"),
        ({"options": {"max_digits": 1, "min_terms": 1}}, "has no working; set it to 2"),
        ({}, "evals.addition: its problems are of generated_addition, .* data_preparation.train"),
    ],
)  # fmt: skip
def test_what_the_embedded_policy_cannot_read_is_refused_with_what_to_set(
    changes: dict[str, Any], message: str
) -> None:
    given = {key: value for key, value in (CHAIN_SUM | changes).items() if value is not None}
    assert re.search(message, mistake({"data_preparation.train": given}))
