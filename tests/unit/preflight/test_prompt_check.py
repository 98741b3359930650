"""Prompts that cannot be made are found before a run: a chat template that loses some of them."""

import json
from pathlib import Path
from typing import Any

import pytest
import yaml
from helpers import PROJECT

from pmd_pipeline.config.experiment import ExperimentConfig, parse_parameters
from pmd_pipeline.policies.policy import Policy
from pmd_pipeline.policies.storage import save_policy
from pmd_pipeline.preflight.findings import Finding
from pmd_pipeline.preflight.hub import Repository, RepositoryKind
from pmd_pipeline.preflight.prompts import check_prompts

TEMPLATES = PROJECT / "tests" / "fixtures" / "chat_templates"


class NoHub:
    """A hub that cannot be reached."""

    def look_up(self, name: str, kind: RepositoryKind, revision: str | None) -> Repository:
        return Repository(is_reachable=False)


def experiment(policy: dict[str, Any], **data: Any) -> ExperimentConfig:
    parameters: dict[str, Any] = {}
    for path in sorted((PROJECT / "conf" / "base").glob("parameters*.yml")):
        parameters |= yaml.safe_load(path.read_text(encoding="utf-8"))
    parameters["policy_initialisation"] = {"policy": {"kind": "pretrained", **policy}}
    parameters["data_preparation"] |= {"prompt_template": "boxed", **data}
    return parse_parameters(parameters)


def check(policy: Policy, folder: Path, template: str | None, **data: Any) -> Finding:
    name = None if template is None else TEMPLATES / f"{template}.jinja"
    policy.tokenizer.chat_template = None if name is None else name.read_text(encoding="utf-8")
    save_policy(policy, folder)
    path = {"path": str(folder / "policy")}
    [finding] = check_prompts(experiment(path, **data), NoHub(), is_pinned=True)
    return finding


@pytest.mark.parametrize("template", ["drops_system", "writes_the_date", "takes_parts"])
def test_a_template_that_can_be_served_is_fine(
    tiny_policy: Policy, tmp_path: Path, template: str
) -> None:
    finding = check(tiny_policy, tmp_path / "a", template)
    assert (finding.verdict, finding.value) == ("ok", "as the tokenizer's chat template")


def test_a_template_that_loses_the_problem_stops_the_run(
    tiny_policy: Policy, tmp_path: Path
) -> None:
    finding = check(tiny_policy, tmp_path / "a", "loses_the_problem")
    assert (finding.verdict, finding.subject) == ("failure", "chat template")
    assert "problem 'train/" in finding.remedy
    assert "it leaves out the turns of system, user" in finding.remedy


def test_chats_that_a_template_cannot_take_stop_the_run(
    tiny_policy: Policy, tmp_path: Path
) -> None:
    """Seen at the first problem of the file."""
    chat = [{"role": role, "content": "1 + 1?"} for role in ("user", "user")]
    (tmp_path / "chats.jsonl").write_text(json.dumps({"chat": chat, "gold": "2"}))
    train = {
        "kind": "table",
        "path": str(tmp_path / "chats.jsonl"),
        "columns": {"problem": "chat", "answer": "gold"},
    }
    finding = check(tiny_policy, tmp_path / "a", "refuses_system", train=train)
    assert "chats.jsonl, problem 'train/row-0'" in finding.remedy
    assert "must alternate" in finding.remedy


def test_a_chat_template_that_is_asked_for_and_missing_stops_the_run(
    tiny_policy: Policy, tmp_path: Path
) -> None:
    finding = check(tiny_policy, tmp_path / "a", None, use_chat_template=True)
    assert "no chat template; set it to auto or false" in finding.remedy
    assert check(tiny_policy, tmp_path / "a", None).value == "as plain text"


def test_a_folder_without_a_tokenizer_stops_the_run(tmp_path: Path) -> None:
    [finding] = check_prompts(experiment({"path": str(tmp_path)}), NoHub(), is_pinned=True)
    assert (finding.verdict, finding.subject) == ("failure", "tokenizer")


def test_nothing_is_said_of_a_tokenizer_out_of_reach_or_without_a_revision() -> None:
    hub = {"hub_name": "a/b", "revision": "0" * 40}
    for is_pinned in (True, False):
        assert check_prompts(experiment(hub), NoHub(), is_pinned=is_pinned) == []
