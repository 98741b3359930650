"""Which parameters a run may be continued with another value of."""

import types
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Any, get_args, get_origin

import pytest
from pydantic import BaseModel
from study_helpers import make_experiment

from pmd_pipeline.config.effects import ChangesNoResult, Effect, Extends, effects
from pmd_pipeline.config.experiment import ExperimentConfig

CLASSIFIED = Path(__file__).with_name("parameters_by_effect.txt")


def models_in(annotation: Any) -> Iterator[type[BaseModel]]:
    """Yield the models in a type: of a union, of a mapping's values."""
    if get_origin(annotation) in (Annotated, types.UnionType) or get_args(annotation):
        for part in get_args(annotation):
            yield from models_in(part)
    elif isinstance(annotation, type) and issubclass(annotation, BaseModel):
        yield annotation


def walk(model: type[BaseModel], seen: set[type[BaseModel]]) -> Iterator[str]:
    """Yield a line for every field of a configuration, of all variants."""
    if model in seen:
        return
    seen.add(model)
    for name, field in model.model_fields.items():
        inner = list(models_in(field.annotation))
        if not inner and name != "kind":
            marks = [mark for mark in field.metadata if isinstance(mark, Effect)]
            kind = type(marks[0]).__name__ if marks else "decides results"
            yield f"{model.__name__}.{name}: {kind}"
        if not field.exclude or name == "evaluate_models":  # studies: no run records them
            for part in inner:
                yield from walk(part, seen)


def test_every_parameter_has_been_classified() -> None:
    """A new one is added to the list by hand: does another value of it change results?

    Without a mark it decides results and cannot change when a run goes on: the safe choice.
    """
    found = sorted(set(walk(ExperimentConfig, set())))
    assert found == CLASSIFIED.read_text().splitlines()


def test_marks_are_found_wherever_their_section_stands() -> None:
    parts = {
        "exact": {"kind": "math", "convention": "boxed"},
        "own": {"kind": "import", "import_path": "a:b"},
    }
    _, experiment = make_experiment(
        rewards={"kind": "sum", "parts": parts, "convention": None, "num_workers": None,
                 "correct_reward": None, "incorrect_reward": None, "timeout_seconds": None}
    )  # fmt: skip
    found = effects(experiment)
    assert isinstance(found["rewards.parts.own.num_workers"], ChangesNoResult)
    assert isinstance(found["training.packing"], ChangesNoResult)
    assert isinstance(found["training.num_phases"], Extends)
    assert "rewards.parts.own.incorrect_reward" not in found
    assert not any(key.startswith("evaluation") for key in found)


@pytest.mark.parametrize("key", ["training.num_phases", "training.algorithms"])
def test_a_mark_names_a_parameter_that_exists(key: str) -> None:
    _, experiment = make_experiment()
    effect = effects(experiment)[key]
    assert isinstance(effect, Extends)
    if effect.needs is not None:
        section, *names = effect.needs[0].split(".")
        value = getattr(experiment, section)
        for name in names:
            value = getattr(value, name)
