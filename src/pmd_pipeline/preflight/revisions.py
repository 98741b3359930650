"""Hub repositories of an experiment, and the revisions still to be filled in."""

import copy
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from pmd_pipeline.preflight.hub import RepositoryKind

# Stands in for a revision that is missing, so that the rest of the parameters can be read.
_PLACEHOLDER = "0" * 40


@dataclass(frozen=True, slots=True, kw_only=True)
class MissingRevision:
    """A repository without a revision in the parameters.

    Attributes:
        key: Of the mapping without it, for example ``data_preparation.train``.
        hub_name: The repository.
        kind: Model or data set.
    """

    key: str
    hub_name: str
    kind: RepositoryKind


def fill_missing_revisions(
    parameters: Mapping[str, Any],
) -> tuple[dict[str, Any], list[MissingRevision]]:
    """Return the parameters with a placeholder for each missing revision, and what is missing."""
    filled = copy.deepcopy(dict(parameters))
    missing: list[MissingRevision] = []
    for key, kind, source in _sources(filled):
        if source.get("hub_name") and source.get("revision") is None and not source.get("path"):
            missing.append(MissingRevision(key=key, hub_name=str(source["hub_name"]), kind=kind))
            source["revision"] = _PLACEHOLDER
    return filled, missing


def _sources(parameters: dict[str, Any]) -> list[tuple[str, RepositoryKind, dict[str, Any]]]:
    """Return every mapping that may have a hub_name; the parameters are not validated yet."""
    found: list[tuple[str, RepositoryKind, Any]] = [
        (
            "policy_initialisation.policy",
            "model",
            _at(parameters, "policy_initialisation", "policy"),
        ),
        ("data_preparation.train", "dataset", _at(parameters, "data_preparation", "train")),
    ]
    evals = _at(parameters, "data_preparation", "evals")
    if isinstance(evals, dict):
        found += [
            (f"data_preparation.evals.{name}", "dataset", source) for name, source in evals.items()
        ]
    return [(key, kind, source) for key, kind, source in found if isinstance(source, dict)]


def _at(parameters: Any, *keys: str) -> Any:
    for key in keys:
        parameters = parameters.get(key) if isinstance(parameters, dict) else None
    return parameters
