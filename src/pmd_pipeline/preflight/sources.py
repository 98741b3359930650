"""Whether model and data are available, under which licence, and at which revision: a line each."""

from collections.abc import Sequence
from pathlib import Path
from typing import assert_never

from pmd_pipeline.config.data_preparation import StoredSource, origin_of
from pmd_pipeline.config.experiment import ExperimentConfig
from pmd_pipeline.config.policy import EmbeddedPolicyConfig, PretrainedPolicyConfig
from pmd_pipeline.policies.model_folder import PolicyLoadError, check_weights_present
from pmd_pipeline.preflight.findings import Finding, Verdict
from pmd_pipeline.preflight.hub import Hub, RepositoryKind, licence_of_card
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
    findings = [_check_policy(policy, unpinned, hub)]
    data = experiment.data_preparation
    for name in data.set_names():
        key = data.key_of(name)
        source = data.source_of(name)
        if not isinstance(source, StoredSource) or source.path is not None:
            findings.append(_check_first_problem(name, experiment))
        else:
            assert source.hub_name is not None
            revision = None if key in unpinned else source.revision
            findings.append(
                _check_repository(
                    name,
                    key,
                    source.hub_name,
                    "dataset",
                    revision,
                    hub,
                    _local_copy(key, "FILE.parquet", has_hub_config=source.hub_config is not None),
                )
            )
    return findings


def _check_policy(
    policy: EmbeddedPolicyConfig | PretrainedPolicyConfig, unpinned: set[str], hub: Hub
) -> Finding:
    match policy:
        case EmbeddedPolicyConfig():
            return _finding("model", "embedded: built here", "ok")
        case PretrainedPolicyConfig():
            return _check_pretrained(policy, unpinned, hub)
        case _:
            assert_never(policy)


def _check_pretrained(policy: PretrainedPolicyConfig, unpinned: set[str], hub: Hub) -> Finding:
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
        return _finding("model", f"{policy.path}: not usable", "failure", str(error))
    assert policy.path is not None
    licence = licence_of_card(Path(policy.path))
    found = f"{policy.path}: has config.json and safetensors, licence {licence or 'unknown'}"
    return _licensed("model", found, licence, str(policy.path))


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
) -> Finding:
    """Return the line of a repository; of all that may be wrong with it, what comes first."""
    found = hub.look_up(hub_name, kind, revision)
    pinned = f"revision {revision or 'not filled in'}"
    if not found.is_reachable:
        # A local copy needs no revision, and what its licence is cannot be seen from here.
        return _finding(
            subject,
            f"{hub_name}, {pinned}: neither on this machine nor on a reachable hub "
            f"({found.reason})",
            "failure",
            f"connect to the hub, or use a local copy: --params {local_copy}",
        )
    where = "in the hub's cache" if found.is_cached else "on the hub"
    value = f"{hub_name}, {pinned}, {where}, licence {found.licence or 'unknown'}"
    if revision is None:
        return _finding(
            subject, value, "failure", _how_to_pin(key, hub_name, kind, newest=found.commit)
        )
    return _licensed(subject, value, found.licence, hub_name)


def _local_copy(key: str, path: str, *, has_hub_config: bool = False) -> str:
    """Return the parameters that use a local copy instead of a repository."""
    taken_away = ["hub_name", "revision", *(["hub_config"] if has_hub_config else [])]
    return ",".join([*(f"{key}.{name}=null" for name in taken_away), f"{key}.path={path}"])


def _how_to_pin(key: str, hub_name: str, kind: RepositoryKind, *, newest: str | None) -> str:
    if newest is not None:
        return f"once you have reviewed {hub_name} as it is now: --params {key}.revision={newest}"
    page = "datasets/" if kind == "dataset" else ""
    return (
        f"choose from https://huggingface.co/{page}{hub_name}/commits/main what you have reviewed: "
        f"--params {key}.revision=COMMIT"
    )


def _licensed(subject: str, value: str, licence: str | None, location: str) -> Finding:
    if licence is None:
        remedy = f"no licence of {location} could be read; make sure that you may use it"
    elif licence.lower() in ("other", "unknown"):
        remedy = f"{location} has its own terms; read them"
    else:
        return _finding(subject, value, "ok")
    return _finding(subject, value, "warning", remedy)


def _finding(subject: str, value: str, verdict: Verdict, remedy: str = "") -> Finding:
    return Finding(
        section=SECTION,
        subject=subject,
        value=value,
        verdict=verdict,
        remedy=remedy,
    )
