"""Names that `kedro run` is asked for: unknown ones are refused, with what was probably meant."""

from typing import Any

import pytest
from kedro.pipeline import Pipeline
from small_experiment import SmallExperiment

from pmd_pipeline.hooks.selection import SelectionError, check_selection


@pytest.fixture
def pipelines(tmp_path: Any) -> dict[str, Any]:
    everything = SmallExperiment(tmp_path, algorithms=("pmd_mean", "grpo"), seeds=(0, 1)).pipeline()
    return {
        "__default__": everything,
        "training": everything.only_nodes_with_tags("training"),
        "data_preparation": everything.only_nodes_with_tags("data_preparation"),
    }


@pytest.mark.parametrize(
    ("option", "name", "message"),
    [
        (
            "--namespaces",
            "pmd_maen.seed_1",
            "there is no 'pmd_maen.seed_1'; did you mean pmd_mean.seed_1, .*There are: "
            r"data_preparation, grpo, grpo\.seed_0, .*pmd_mean\.seed_1\.$",
        ),
        (
            "--nodes",
            "load_problems",
            r"did you mean data_preparation\.load_problems\? There are 11 such names; "
            "kedro registry describe __default__ lists them",
        ),
        ("--to-nodes", "comapre", r"did you mean compare\?"),
        ("--from-nodes", "load_problem", r"did you mean data_preparation\.load_problems\?"),
        ("--namespaces", "grpo.seed_9", r"did you mean grpo\.seed_1 or grpo\.seed_0\?"),
        ("--tags", "trainning", r"did you mean training\? There are: data_preparation, evaluation"),
        ("--pipelines", "train", r"did you mean training\? There are: __default__, training, data"),
        ("--to-outputs", "comparisons", "did you mean comparison"),
        ("--tags", "zzz", "there is no 'zzz'. There are: data_preparation"),
    ],
)
def test_an_unknown_name_is_refused_with_the_nearest_and_what_there_is(
    pipelines: dict[str, Any], option: str, name: str, message: str
) -> None:
    with pytest.raises(SelectionError, match=f"^{option}: .*{message}"):
        check_selection({option: [name]}, pipelines)


def test_an_unknown_name_beside_a_known_one_is_not_passed_over(pipelines: dict[str, Any]) -> None:
    """Kedro takes the nodes of any of several tags."""
    check_selection({"--tags": ["training", "reporting"]}, pipelines)
    with pytest.raises(SelectionError, match="there is no 'reportng'; did you mean reporting"):
        check_selection({"--tags": ["training", "reportng"]}, pipelines)


def test_names_of_another_pipeline_and_options_without_a_node_in_common_are_refused(
    pipelines: dict[str, Any],
) -> None:
    with pytest.raises(SelectionError, match="training has no such part, but the whole"):
        check_selection({"--pipelines": ["training"], "--nodes": ["compare"]}, pipelines)
    asked = {"--namespaces": ["grpo"], "--tags": ["reporting"]}
    with pytest.raises(
        SelectionError, match=r"by --namespaces grpo and --tags reporting together, of 11 nodes"
    ):
        check_selection(asked, pipelines)
    check_selection({"--namespaces": ["grpo.seed_1"], "--tags": ["training"]}, pipelines)


def test_a_pipeline_of_models_without_a_model_says_where_they_are_named() -> None:
    pipelines = {"__default__": Pipeline([]), "evaluate_models": Pipeline([])}
    with pytest.raises(SelectionError, match=r"evaluate_models\.models names no model; add some"):
        check_selection({"--pipelines": ["evaluate_models"]}, pipelines)
