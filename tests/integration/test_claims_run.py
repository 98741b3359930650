"""``kedro claims``: two small claims from nothing to their complete pairs."""

import json
from pathlib import Path

import pytest
from projects import SHAPED, Project, make_project

from pmd_pipeline.reporting.claims.markdown import BEGIN, END

_CLAIMS = """
num_pairs: 2
tuning:
  num_repeats: 1
  validation: {kind: generated_addition, num_problems: 8, widths: [2]}
tunings:
  taus:
    algorithm: pmd_mean
    grid: {algorithm.tau: [0.2, 2.0]}
claims:
  same:
    title: Two rollouts
    hypothesis: With two rollouts PMD-part is PMD-mean.
    source: docs/algorithms.md
    holds: The same answers.
    fails: Others.
    parameters: {training.measured_rollouts: round}
    arms: &arms
      mean: {algorithm: pmd_mean}
      part: {algorithm: pmd_part}
    test: &test
      kind: difference
      comparisons: [{first: mean, second: part}]
      wanted: equivalent
      least_pairs: 2
  tuned:
    title: Tuning helps
    hypothesis: A tuned tau is better.
    source: nowhere
    holds: It is better.
    fails: It is not.
    arms:
      tuned: {algorithm: pmd_mean, tuning: taus}
      part: {algorithm: pmd_part, parameters: {training.measured_rollouts: round}}
    test:
      kind: difference
      comparisons: [{first: tuned, second: part}]
      wanted: better
      least_pairs: 2
"""


@pytest.fixture(scope="module")
def tried(tmp_path_factory: pytest.TempPathFactory) -> Project:
    """A project whose claims were tried; do not change it."""
    project = make_project(tmp_path_factory.mktemp("claims") / "project", has_database=False)
    (project.path / "conf" / "tiny" / "parameters.yml").write_text(SHAPED)
    (project.path / "conf" / "tiny" / "claims.yml").write_text(_CLAIMS)
    result = project.command("claims", "run", "--env", "tiny", "--pairs", "1", "--workers", "1")
    assert result.returncode == 0, result.stderr[-3000:]
    assert "[5/5] " in result.stdout
    assert "5 of 5 trainings are done." in result.stdout
    return project


def _units(project: Project) -> list[dict[str, object]]:
    files = (project.data / "units").glob("*.json")
    return [json.loads(path.read_text()) for path in files]


def test_every_training_has_a_file_with_what_it_found(tried: Project) -> None:
    units = _units(tried)
    assert sorted((u["settings"]["algorithm"]["kind"], u["seeds"]["training"]) for u in units) == [
        ("pmd_mean", 11),
        ("pmd_mean", 11),
        ("pmd_mean", 1001),
        ("pmd_mean", 1001),
        ("pmd_part", 11),
    ]
    for unit in units:
        evaluations = unit["evaluations"]
        assert [evaluation["round"] for evaluation in evaluations] == [0, 2, 4]
        problems = set(unit["problem_ids"])
        is_validation = unit["settings"]["on_validation"]
        assert {name.split("/")[0] for name in problems} == {
            "validation" if is_validation else "addition"
        }
        assert [row["round"] for row in unit["rounds"]] == [1, 2, 3, 4]
        assert all(row["cpu_seconds"] > 0 for row in unit["rounds"])


def test_with_two_rollouts_leave_one_out_pmd_part_is_pmd_mean_to_the_last_bit(
    tried: Project,
) -> None:
    same = {
        unit["settings"]["algorithm"]["kind"]: unit
        for unit in _units(tried)
        if unit["seeds"]["training"] == 11
        and unit["settings"]["training"]["measured_rollouts"] == "round"
    }
    mean, part = same["pmd_mean"], same["pmd_part"]
    assert mean["groups"] == part["groups"]
    assert any(value != 0 for value in mean["groups"]["log_ratio_min"])
    assert mean["evaluations"] == part["evaluations"]
    # Four groups of round 1 in two mini-batches.
    assert mean["groups"]["is_last"] == [False, False, True, True]


def test_the_status_says_what_is_done_and_what_was_chosen(tried: Project) -> None:
    result = tried.command("claims", "status", "tuned", "--env", "tiny", "--pairs", "1")
    assert result.returncode == 0, result.stderr
    assert "tuned  1 of 1     2 of 2" in result.stdout
    assert "taus       2 of 2" in result.stdout
    assert "same" not in result.stdout


def test_the_report_judges_by_what_is_done(tried: Project) -> None:
    document = tried.path / "claims.md"
    document.write_text(f"# Ours\n\n{BEGIN}\n{END}\n\nThe end.\n")
    result = tried.command(
        "claims", "report", "same", "--env", "tiny", "--pairs", "1", "--document", str(document)
    )
    assert result.returncode == 0, result.stderr
    assert "same   cannot be told  1 of 2" in result.stdout  # of those declared
    assert "With two rollouts PMD-part is PMD-mean." in document.read_text()
    assert "With two rollouts PMD-part is PMD-mean." in (tried.data / "report.html").read_text()
    figures = list((tried.path / "images" / "claims").glob("*.png"))
    assert figures
    assert all(f"images/claims/{figure.name}" in document.read_text() for figure in figures)


def test_an_environment_without_claims_is_one_message(tried: Project) -> None:
    result = tried.command("claims", "status", "--env", "smoke")
    assert result.returncode == 1
    assert "conf/smoke declares no claims" in result.stderr


def test_more_pairs_than_are_declared_are_refused(tried: Project) -> None:
    """Before anything is trained."""
    units = sorted((tried.data / "units").iterdir())
    result = tried.command("claims", "run", "--env", "tiny", "--pairs", "3")
    assert result.returncode == 1
    assert "3 pairs of seeds are wanted, but the claims declare 2." in result.stderr
    assert sorted((tried.data / "units").iterdir()) == units


def test_two_runs_in_one_folder_do_not_meet(tried: Project) -> None:
    from pmd_pipeline.hooks.lock import DataLock

    lock = DataLock(Path(tried.data))
    try:
        result = tried.command("claims", "run", "--env", "tiny")
    finally:
        lock.release()
    assert result.returncode == 1
    assert "another run is using" in result.stderr
