"""The embedded policy's warm start: what does not fit is told before it runs."""

from typing import Any

import pytest
import yaml
from helpers import PROJECT

from pmd_pipeline.config.experiment import parse_parameters
from pmd_pipeline.preflight.warm_start import check_warm_start


@pytest.mark.parametrize(
    ("key", "value", "verdict", "words"),
    [
        ("seed", 1, "ok", "fit into prompts and responses"),
        (
            "data_preparation.max_prompt_tokens",
            8,
            "warning",
            "9 tokens, data_preparation.max_prompt_tokens is 8",
        ),
        (
            "training.sampling.max_new_tokens",
            32,
            "warning",
            "33 tokens, training.sampling.max_new_tokens is 32",
        ),
        (
            "policy_initialisation.policy.max_position",
            68,
            "failure",
            "68, but prompt and response may take 69",
        ),
        (
            "data_preparation.train.difficulty",
            "hard",
            "warning",
            "operands of [1, 2] digits, which data_preparation.train has not",
        ),
        (
            "policy_initialisation.policy.warm_start",
            {"wanted_pass_rate": 0.95},
            "failure",
            "0.95 cannot be reached",
        ),
        (
            "policy_initialisation.policy",
            {"kind": "pretrained", "path": "a"},
            None,
            None,
        ),
    ],
)
def test_a_warm_start_is_held_against_the_rest_of_the_parameters(
    key: str, value: Any, verdict: str | None, words: str | None
) -> None:
    parameters: dict[str, Any] = {}
    for file in (PROJECT / "conf" / "base").glob("parameters*.yml"):
        parameters |= yaml.safe_load(file.read_text(encoding="utf-8"))
    path = key.split(".")
    place = parameters
    for name in path[:-1]:
        place = place[name]
    place[path[-1]] = value
    found = [(item.verdict, item.value) for item in check_warm_start(parse_parameters(parameters))]
    assert found == ([] if verdict is None else [(verdict, words)])
