"""A study's report: tables, figures and page, on disk and in MLflow."""

import json
from pathlib import Path
from typing import Any

from kedro.runner import SequentialRunner
from optuna import Study

from pmd_pipeline.pipelines import study_report
from pmd_pipeline.reporting.study.words import study_paragraphs
from pmd_pipeline.shell import kedro
from pmd_pipeline.studies.findings import curves_table, trials_table
from pmd_pipeline.studies.storage import shown_place
from pmd_pipeline.studies.summary import summarise_study
from pmd_pipeline.study_commands.base import read_base
from pmd_pipeline.study_commands.project import StudyProject
from pmd_pipeline.study_commands.service import end_runs, quiet_logs
from pmd_pipeline.study_commands.session import StudySession
from pmd_pipeline.study_commands.tracking_store import open_runs


def report_study(project: StudyProject, study: Study) -> str:
    """Write the report and return what the console shows."""
    level = project.experiment.evaluation.interval_level
    trials = trials_table(study, level=level)
    summary = summarise_study(
        study,
        project.config,
        num_samples=project.experiment.evaluation.num_samples,
        interval_level=level,
        known=read_base(project),
        settings=_settings(project),
    )
    with quiet_logs():
        session = StudySession.begin(
            project.path,
            env=project.env,
            parameters=project.parameters,
            # Its catalog entries contain the study's folder.
            data_root=project.folder.parents[1],
        )
        catalog = session.load_context().catalog
        name = project.name
        catalog.save(f"{name}.study_trials", trials)
        catalog.save(f"{name}.study_curves", curves_table(study, project.num_phases))
        catalog.save(f"{name}.study_summary", summary.to_json())
        SequentialRunner().run(study_report.create_pipeline(studies=[name]), catalog)
        runs = open_runs(project, study)
        best: dict[str, Any] = {}
        metrics: dict[str, float] = {}
        if summary.optimum is not None:
            best = {"trial": summary.optimum["trial"], **summary.optimum["values"]}
            metrics = {"best/accuracy": summary.optimum["value"]}
        runs.log_result(best, metrics)
        folder = project.folder / "report"
        for file in ("study.html", "study_trials.csv"):
            runs.log_file(folder / file)
        end_runs(project, runs, "FINISHED")
    words = "\n".join(study_paragraphs(trials, summary)[:3])
    page = _shown(folder / "study.html", project.path)
    return f"\n{words}\n\nReport        {page}\n{_hints(project, runs.hint)}"


def _settings(project: StudyProject) -> dict[str, Any]:
    config = project.config.model_dump(mode="json", exclude={"storage"})
    place = shown_place(project.config.storage, project.folder, project.url)
    return {
        **json.loads(json.dumps(config)),
        "storage": f"{project.config.storage.kind}, {place}",
        "phases": project.num_phases,
        "rounds per phase": project.rounds_per_phase,
        "environment": project.env or "default",
        "seed": project.experiment.seed,
        "training seeds of the repeats": list(project.training_seeds),
    }


def _hints(project: StudyProject, where_runs_are: str) -> str:
    export = kedro(f"study export {project.name}", project.env)
    return f"Best trial    {export}\n{where_runs_are}"


def _shown(path: Path, project_path: Path) -> str:
    return str(path.relative_to(project_path)) if path.is_relative_to(project_path) else str(path)
