"""Tokens of rounds and of the run, as lines of the plan."""

from pmd_pipeline.config.experiment import ExperimentConfig
from pmd_pipeline.preflight.findings import Finding
from pmd_pipeline.preflight.workload import Assumptions, RoundWork, RunWork
from pmd_pipeline.wording import counted

SECTION = "Work"


def work_findings(
    experiment: ExperimentConfig,
    rounds: dict[str, RoundWork],
    work: RunWork,
    known: Assumptions,
) -> list[Finding]:
    """Return tokens per round and of the run."""
    bound = bound_of(rounds, known)
    training = experiment.training
    findings = [
        _note(
            "rounds",
            f"{counted(len(rounds), 'algorithm')} x "
            f"{counted(len(training.seeds), 'training seed')} x "
            f"{counted(training.num_rounds, 'round')}, evaluated every "
            f"{counted(training.rounds_per_phase, 'round').removeprefix('1 ')}",
        )
    ]
    for value, labels in _by_round(rounds, bound).items():
        shown = "all" if len(labels) == len(rounds) else ", ".join(labels)
        findings.append(_note(f"a round of {shown}", value))
    findings.append(
        _note(
            "all rounds",
            f"{bound}{work.sampled_tokens:,.0f} tokens sampled, "
            f"{work.updated_tokens:,.0f} trained on",
        )
    )
    for subject, tokens in (
        ("evaluations", work.evaluated_tokens),
        ("first rollouts", work.selection_tokens),
    ):
        value = (
            "not counted: the number of problems is known once the data is read"
            if tokens is None
            else f"{bound}{tokens:,.0f} tokens sampled"
        )
        findings.append(_note(subject, value))
    return findings


def bound_of(rounds: dict[str, RoundWork], known: Assumptions) -> str:
    """Return the words before numbers that are bounds, empty if they are none."""
    is_refilled = any(work.is_refilled for work in rounds.values())
    return "at most " if known.lengths_are_bounds or is_refilled else ""


def _by_round(rounds: dict[str, RoundWork], bound: str) -> dict[str, list[str]]:
    """Return labels by their rounds; most algorithms have the same."""
    found: dict[str, list[str]] = {}
    for label, work in rounds.items():
        most = "at most " if work.is_refilled else ""
        value = (
            f"{most}{work.num_rollouts:,} rollouts, "
            f"{bound}{work.sampled_tokens:,.0f} tokens sampled, "
            f"{work.updated_tokens:,.0f} trained on in {counted(work.num_updates, 'update')}"
        )
        found.setdefault(value, []).append(label)
    return found


def _note(subject: str, value: str) -> Finding:
    return Finding(section=SECTION, subject=subject, value=value)
