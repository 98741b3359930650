"""The section ``evaluate_models``: models, and servers without secrets."""

from typing import Any

import pytest
from pydantic import ValidationError

from pmd_pipeline.config.evaluate_models import EvaluateModelsConfig

SERVED = {"kind": "openai_endpoint", "credentials": "mine", "model": "m"}


def parse(**models: Any) -> EvaluateModelsConfig:
    return EvaluateModelsConfig.model_validate({"models": models})


def test_models_are_of_three_kinds_and_null_drops_one() -> None:
    found = parse(
        a={"kind": "policy", "path": "initial"},
        b={"kind": "pretrained", "hub_name": "x/y", "revision": "0123abc"},
        c=SERVED,
        d=None,
    )
    assert list(found.models) == ["a", "b", "c"]
    assert list(found.endpoints()) == ["c"]


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"api_key": "sk-1"}, "Extra inputs are not permitted"),
        ({"body": {"temperature": 0}}, r"\['temperature'\] are the same for all models"),
        ({"body": {"seed": 1}}, "each request has a seed of its own"),
        ({"tokenizer": {"path": "x"}}, "the server renders and encodes the prompts"),
    ],
)
def test_what_a_server_is_not_told_this_way(fields: dict[str, Any], message: str) -> None:
    with pytest.raises(ValidationError, match=message):
        parse(served={**SERVED, **fields})


def test_a_field_may_be_left_out_of_requests() -> None:
    served = parse(served={**SERVED, "body": {"seed": None}}).endpoints()["served"]
    assert served.body == {"seed": None}


@pytest.mark.parametrize("name", ["seed_0", "phase_2"])
def test_a_model_is_not_called_as_a_training_seed_or_phase(name: str) -> None:
    with pytest.raises(ValidationError, match="how training seeds and phases are named"):
        parse(**{name: SERVED})
