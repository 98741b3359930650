"""Model and data: within reach, pinned, licensed; every failure says what to change."""

import json
from pathlib import Path
from typing import Any

import pytest
import yaml
from helpers import PROJECT, shared_folder

from pmd_pipeline.config.experiment import parse_parameters
from pmd_pipeline.preflight.findings import Finding
from pmd_pipeline.preflight.hub import (
    HuggingFaceHub,
    Repository,
    RepositoryKind,
    licence_of_card,
)
from pmd_pipeline.preflight.revisions import fill_missing_revisions
from pmd_pipeline.preflight.sources import check_sources

COMMIT = "0123456789abcdef0123456789abcdef01234567"


class FakeHub:
    """A hub with one answer for all."""

    def __init__(self, answer: Repository) -> None:
        self.answer = answer
        self.asked: list[tuple[str, RepositoryKind, str | None]] = []

    def look_up(self, name: str, kind: RepositoryKind, revision: str | None) -> Repository:
        self.asked.append((name, kind, revision))
        return self.answer


ONLINE = Repository(is_reachable=True, commit=COMMIT, licence="apache-2.0")
OFFLINE = Repository(is_reachable=False, reason="ConnectError: no route")


def test_a_pinned_model_within_reach_is_fine_and_has_one_line() -> None:
    hub = FakeHub(ONLINE)
    [model, train, _] = _check({"hub_name": "Qwen/Qwen2.5-7B", "revision": COMMIT}, hub)
    assert hub.asked[0] == ("Qwen/Qwen2.5-7B", "model", COMMIT)
    assert (model.subject, model.verdict, train.verdict) == ("model", "ok", "ok")
    assert model.value == f"Qwen/Qwen2.5-7B, revision {COMMIT}, on the hub, licence apache-2.0"


def test_a_missing_revision_is_a_failure_that_offers_the_present_commit() -> None:
    hub = FakeHub(ONLINE)
    findings = _check({"hub_name": "Qwen/Qwen2.5-7B"}, hub)
    assert hub.asked[0] == ("Qwen/Qwen2.5-7B", "model", None)  # never the placeholder
    [failure] = [finding for finding in findings if finding.verdict == "failure"]
    assert failure.remedy.endswith(f"--params policy_initialisation.policy.revision={COMMIT}")


def test_out_of_reach_has_one_fix_and_no_word_of_licences() -> None:
    """Without a revision too: a local copy has none."""
    for policy in ({"hub_name": "a/b", "revision": COMMIT}, {"hub_name": "a/b"}):
        findings = _check(policy, FakeHub(OFFLINE))
        assert [finding.verdict for finding in findings] == ["failure", "failure", "ok"]
        assert "no route" in findings[0].value
        assert "policy_initialisation.policy.path=FOLDER" in findings[0].remedy
        assert "licence" not in f"{findings}"


def test_a_machine_without_a_network_is_said_in_two_words(monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: Any, **__: Any) -> None:
        raise ConnectionError("[Errno -2] Name or service not known")

    monkeypatch.setattr("huggingface_hub.HfApi.repo_info", fail)
    assert HuggingFaceHub().look_up("a/b", "model", None).reason == "no connection"


def test_a_local_copy_leaves_the_hubs_configuration_behind() -> None:
    """With it, the parameters that the remedy asks for would be refused."""
    train = {"kind": "gsm8k", "hub_name": "a/b", "hub_config": "main", "revision": COMMIT}
    policy = {"hub_name": "a/b", "revision": COMMIT}
    remedies = [finding.remedy for finding in _check(policy, FakeHub(OFFLINE), train=train)]
    key = "data_preparation.train"
    nulls = f"{key}.hub_name=null,{key}.revision=null,{key}.hub_config=null"
    assert any(f"--params {nulls},{key}.path=FILE.parquet" in remedy for remedy in remedies)
    assert not any("policy.hub_config" in remedy for remedy in remedies)


def test_terms_of_its_own_are_warned_of() -> None:
    hub = FakeHub(Repository(is_reachable=True, licence="other"))
    findings = _check({"hub_name": "a/b", "revision": COMMIT}, hub)
    assert [f.verdict for f in findings] == ["warning", "warning", "ok"]
    assert findings[0].remedy == "a/b has its own terms; read them"


def test_a_local_folder_without_weights_is_named(tmp_path: Path) -> None:
    (tmp_path / "config.json").write_text("{}")
    findings = _check({"path": str(tmp_path)}, FakeHub(ONLINE))
    assert findings[0].verdict == "failure"
    assert "no weights" in findings[0].remedy


def test_a_local_model_has_the_licence_of_its_card(tmp_path: Path) -> None:
    model = shared_folder("models") / "stories260K-hf"
    for file in model.iterdir():
        (tmp_path / file.name).symlink_to(file)
    assert _check({"path": str(tmp_path)}, FakeHub(ONLINE))[0].value.endswith("licence unknown")
    (tmp_path / "README.md").write_text("---\nlicense: mit\n---\n# Stories\n")
    assert _check({"path": str(tmp_path)}, FakeHub(ONLINE))[0].value.endswith("licence mit")


def test_a_missing_file_of_problems_is_a_failure() -> None:
    findings = _check(
        {"hub_name": "a/b", "revision": COMMIT}, FakeHub(ONLINE), train={"path": "no.jsonl"}
    )
    [failure] = [finding for finding in findings if finding.verdict == "failure"]
    assert failure.subject == "train"
    assert "there is no file" in failure.remedy


@pytest.mark.parametrize(
    ("train", "remedy"),
    [
        (
            {"kind": "table", "path": "q.jsonl", "columns": {"problem": "p"}},
            "missing columns ['p'], found ['q']; correct columns",
        ),
        (
            {"kind": "generated", "import_path": "no:f", "num_problems": 128},
            "there is no module 'no'",
        ),
        (
            {"kind": "reasoning_gym", "dataset": "chain_sun", "num_problems": 128},
            "did you mean 'chain_sum'?",
        ),
    ],
)
def test_a_set_whose_first_problem_cannot_be_had_is_a_failure(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, train: dict[str, Any], remedy: str
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "q.jsonl").write_text('{"q": "p"}')
    findings = _check({"hub_name": "a/b", "revision": COMMIT}, FakeHub(ONLINE), train=train)
    [failure] = [finding for finding in findings if finding.verdict == "failure"]
    assert failure.subject == "train"
    assert remedy in failure.remedy


def test_generated_sets_are_looked_at_by_one_problem() -> None:
    train = {"kind": "reasoning_gym", "dataset": "gcd", "num_problems": 99_999}
    findings = _check({"hub_name": "a/b", "revision": COMMIT}, FakeHub(ONLINE), train=train)
    [finding] = [finding for finding in findings if finding.subject == "train"]
    assert finding.value == "reasoning_gym: gcd: 99999 problems can be made"


@pytest.mark.parametrize(
    ("text", "licence"),
    [
        ("---\nlicense: mit\ntags: [a]\n---\ntext", "mit"),
        ("---\nlicense:\n- mit\n- apache-2.0\n---\n", "mit, apache-2.0"),
        ("---\ntags: [a]\n---\n", None),
        ("---\n: [\n---\n", None),
        ("# A card --- license: mit --- without a head", None),
        ("", None),
    ],
)
def test_the_licence_stands_in_the_cards_head(
    tmp_path: Path, text: str, licence: str | None
) -> None:
    (tmp_path / "README.md").write_text(text)
    assert licence_of_card(tmp_path) == licence


def test_a_revision_in_the_hubs_cache_needs_no_network(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from huggingface_hub import constants

    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path))
    folder = tmp_path / "models--a--b" / "snapshots" / COMMIT
    folder.mkdir(parents=True)
    (folder / "README.md").write_text("---\nlicense: mit\n---\n")
    monkeypatch.setattr("huggingface_hub.snapshot_download", _snapshot_download_from(str(tmp_path)))
    found = HuggingFaceHub().look_up("a/b", "model", COMMIT)
    assert found == Repository(is_reachable=True, is_cached=True, commit=COMMIT, licence="mit")


def test_whatever_the_hubs_client_raises_means_out_of_reach(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    from huggingface_hub import HfApi

    class StrangeError(Exception):
        pass

    def repo_info(*_: Any, **__: Any) -> None:
        raise StrangeError("the cable is cut\nand more")

    monkeypatch.setattr(HfApi, "repo_info", repo_info)
    found = HuggingFaceHub().look_up("a/b", "model", None)
    assert found == Repository(is_reachable=False, reason="StrangeError: the cable is cut")


def _snapshot_download_from(cache: str) -> Any:
    from huggingface_hub import snapshot_download

    return lambda *arguments, **options: snapshot_download(*arguments, cache_dir=cache, **options)


def _check(
    policy: dict[str, Any], hub: FakeHub, train: dict[str, Any] | None = None
) -> list[Finding]:
    parameters: dict[str, Any] = {}
    for file in (PROJECT / "conf" / "base").glob("parameters*.yml"):
        parameters |= yaml.safe_load(file.read_text(encoding="utf-8"))
    parameters = json.loads(json.dumps(parameters))
    parameters["policy_initialisation"]["policy"] = {"kind": "pretrained", **policy}
    if train is None:
        train = {"hub_name": "x/dapo", "revision": COMMIT} if "hub_name" in policy else None
    if train is not None:
        parameters["data_preparation"]["train"] = {"kind": "dapo"} | train
    filled, missing = fill_missing_revisions(parameters)
    return check_sources(parse_parameters(filled), missing, hub)
