"""A study's results as the figures and the page take them."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any, Self

FINISHED, PRUNED, FAILED = "finished", "pruned", "failed"


@dataclass(frozen=True, slots=True, kw_only=True)
class StudySummary:
    """What is known of a study beside its trials; plain values, kept as JSON.

    Attributes:
        name: The study's.
        metric: What counts, such as ``avg@4``.
        dimensions: By name: ``kind`` (float, int, choice) and ``log``.
        settings: What the study was told to do, for the page.
        counts: Trials by state.
        initial_value: The metric of the initial policy.
        current_trial: The trial with the experiment's own parameters; None where there is none.
        optimum: See ``pmd_pipeline.studies.findings.Optimum``; None before a trial has finished.
        importances: Share of the variance by dimension; empty where it cannot be told.
        pareto: Trials that no other beats in both objectives; empty with one objective.
        num_validation_problems: That decided.
        num_overlaps: Left out, as a reported set has them too.
        interval_level: Of every interval.
    """

    name: str
    metric: str
    dimensions: Mapping[str, Mapping[str, Any]]
    settings: Mapping[str, Any]
    counts: Mapping[str, int]
    initial_value: float
    current_trial: int | None
    optimum: Mapping[str, Any] | None
    importances: Mapping[str, float]
    pareto: list[int] = field(default_factory=list)
    num_validation_problems: int
    num_overlaps: int
    interval_level: float

    def to_json(self) -> dict[str, Any]:
        """Return plain values."""
        return asdict(self)

    @classmethod
    def from_json(cls, values: Mapping[str, Any]) -> Self:
        """Return what :meth:`to_json` gave."""
        return cls(**values)
