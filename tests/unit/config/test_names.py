"""Which names are free for a user's algorithms: none that the project itself has."""

from collections.abc import Iterator

import pytest
from kedro.pipeline import Pipeline
from pydantic import TypeAdapter, ValidationError

from pmd_pipeline.config.names import Label
from pmd_pipeline.config.training_runs import TrainingRun
from pmd_pipeline.pipeline_registry import (
    Structure,
    get_structure,
    register_pipelines,
    set_structure,
)

MINE = "mine"
RUN = TrainingRun(MINE, 3)


@pytest.fixture
def pipelines() -> Iterator[dict[str, Pipeline]]:
    former = get_structure()
    set_structure(Structure(runs=(RUN,), num_phases=2, rounds_per_phase=1, studies=("of_mine",)))
    yield register_pipelines()
    set_structure(former)  # type: ignore[arg-type]


def is_free(label: str) -> bool:
    try:
        TypeAdapter(Label).validate_python(label)
    except ValidationError:
        return False
    return True


def test_no_stage_folder_table_or_tag_can_be_a_label(pipelines: dict[str, Pipeline]) -> None:
    names = set(pipelines) - {"__default__"}
    for node in [*pipelines["__default__"].nodes, *pipelines["study_report"].nodes]:
        names |= node.tags
        names |= set((node.namespace or "").split(".")) - {""}
        datasets = {*node.inputs, *node.outputs}
        names |= {name for name in datasets if "." not in name and ":" not in name}
    names -= {MINE, "of_mine"}
    assert {"initial", "tokenizer", "theory", "report", "phase_1", "seed_3", "training"} <= names
    assert not [name for name in names if is_free(name)]


@pytest.mark.parametrize("label", ["pmd_mean", "grpo", "phases", "initially", "a" * 60])
def test_other_names_are_free(label: str) -> None:
    assert is_free(label)


@pytest.mark.parametrize("label", ["a" * 61, "a/b", "..", "A", "", "a\n"])
def test_what_cannot_be_a_folder_or_namespace_is_not(label: str) -> None:
    assert not is_free(label)
