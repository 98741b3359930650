"""Whether model and data are available, under which licence, and at which revision."""

from collections.abc import Sequence
from pathlib import Path
from typing import assert_never

from pmd_pipeline.config.data_preparation import StoredSource, origin_of
from pmd_pipeline.config.experiment import ExperimentConfig
from pmd_pipeline.config.policy import EmbeddedPolicyConfig, PretrainedPolicyConfig
from pmd_pipeline.policies.model_folder import PolicyLoadError, check_weights_present
from pmd_pipeline.preflight.findings import Finding, Verdict
from pmd_pipeline.preflight.hub import Hub, Repository, RepositoryKind, licence_of_card
from pmd_pipeline.preflight.revisions import MissingRevision
from pmd_pipeline.problems.errors import ProblemSourceError
from pmd_pipeline.problems.sources import first_problem

SECTION = "Model and data"
_POLICY_KEY = "policy_initialisation.policy"


def check_sources(
    experiment: ExperimentConfig, missing: Sequence[MissingRevision], hub: Hub
) -> list[Finding]:
    """Look for the model and every data set.

    Args:
        experiment: The parameters; a revision named in ``missing`` is a placeholder.
        missing: Repositories without a revision.
        hub: Where repositories are looked up.
    """
    policy = experiment.policy_initialisation.policy
    unpinned = {item.key for item in missing}
    findings = _check_policy(policy, unpinned, hub)
    data = experiment.data_preparation
    for name in data.set_names():
        key = data.key_of(name)
        source = data.source_of(name)
        if not isinstance(source, StoredSource) or source.path is not None:
            findings.append(_check_first_problem(name, experiment))
        else:
            assert source.hub_name is not None
            revision = None if key in unpinned else source.revision
            findings += _check_repository(
                name,
                key,
                source.hub_name,
                "dataset",
                revision,
                hub,
                _local_copy(key, "FILE.parquet", has_hub_config=source.hub_config is not None),
            )
    return findings


def _check_policy(
    policy: EmbeddedPolicyConfig | PretrainedPolicyConfig, unpinned: set[str], hub: Hub
) -> list[Finding]:
    match policy:
        case EmbeddedPolicyConfig():
            return [_finding("model", "embedded: built here", "ok")]
        case PretrainedPolicyConfig():
            return _check_pretrained(policy, unpinned, hub)
        case _:
            assert_never(policy)


def _check_pretrained(
    policy: PretrainedPolicyConfig, unpinned: set[str], hub: Hub
) -> list[Finding]:
    if policy.hub_name is not None:
        revision = None if _POLICY_KEY in unpinned else policy.revision
        return _check_repository(
            "model",
            _POLICY_KEY,
            policy.hub_name,
            "model",
            revision,
            hub,
            _local_copy(_POLICY_KEY, "FOLDER"),
        )
    try:
        check_weights_present(policy)
    except PolicyLoadError as error:
        return [_finding("model", f"{policy.path}: not usable", "failure", str(error))]
    assert policy.path is not None
    return [
        _finding("model", f"{policy.path}: has config.json and safetensors", "ok"),
        *_licence("model", licence_of_card(Path(policy.path)), str(policy.path)),
    ]


def _check_first_problem(name: str, experiment: ExperimentConfig) -> Finding:
    """Read or make one problem of a set: all that is wrong with rows further on, a run says."""
    data = experiment.data_preparation
    source = data.source_of(name)
    origin = origin_of(source)
    try:
        first_problem(data, seed=experiment.seed, set_name=name)
    except ProblemSourceError as error:
        return _finding(name, f"{origin}: not usable", "failure", str(error))
    if isinstance(source, StoredSource):
        state = "readable" if source.address is None else "brought here when the run reads it"
        return _finding(name, f"{origin}: {state}", "ok")
    return _finding(name, f"{origin}: {source.num_problems} problems can be made", "ok")


def _check_repository(
    subject: str,
    key: str,
    hub_name: str,
    kind: RepositoryKind,
    revision: str | None,
    hub: Hub,
    local_copy: str,
) -> list[Finding]:
    found = hub.look_up(hub_name, kind, revision)
    findings = [_pinned(subject, key, hub_name, kind, revision, found)]
    if not found.is_reachable:
        findings.append(
            _finding(
                subject,
                f"{hub_name}: neither on this machine nor on a reachable hub ({found.reason})",
                "failure",
                f"connect to the hub, or use a local copy: --params {local_copy}",
            )
        )
        return findings + _licence(subject, None, hub_name)
    where = "in the hub's cache on this machine" if found.is_cached else "on the hub"
    findings.append(_finding(subject, f"{hub_name}: {where}", "ok"))
    return findings + _licence(subject, found.licence, hub_name)


def _local_copy(key: str, path: str, *, has_hub_config: bool = False) -> str:
    """Return the parameters that use a local copy instead of a repository."""
    taken_away = ["hub_name", "revision", *(["hub_config"] if has_hub_config else [])]
    return ",".join([*(f"{key}.{name}=null" for name in taken_away), f"{key}.path={path}"])


def _pinned(
    subject: str,
    key: str,
    hub_name: str,
    kind: RepositoryKind,
    revision: str | None,
    found: Repository,
) -> Finding:
    if revision is None:
        page = "datasets/" if kind == "dataset" else ""
        present = (
            f"the newest on the hub is {found.commit}"
            if found.commit is not None
            else f"https://huggingface.co/{page}{hub_name}/commits/main lists them"
        )
        return _finding(
            f"{subject}: revision",
            "not filled in",
            "failure",
            f"set {key}.revision to the commit of {hub_name} that you have reviewed, in the "
            f"environment's parameters or with --params {key}.revision=COMMIT; {present}",
        )
    return _finding(f"{subject}: revision", revision, "ok")


def _licence(subject: str, licence: str | None, location: str) -> list[Finding]:
    if licence is None:
        return [
            _finding(
                f"{subject}: licence",
                "unknown",
                "warning",
                f"no licence of {location} could be read; make sure that you may use it",
            )
        ]
    if licence.lower() in ("other", "unknown"):
        return [
            _finding(
                f"{subject}: licence",
                licence,
                "warning",
                f"{location} has its own terms; read them",
            )
        ]
    return [_finding(f"{subject}: licence", licence, "ok")]


def _finding(subject: str, value: str, verdict: Verdict, remedy: str = "") -> Finding:
    return Finding(
        section=SECTION,
        subject=subject,
        value=value,
        verdict=verdict,
        remedy=remedy,
    )
