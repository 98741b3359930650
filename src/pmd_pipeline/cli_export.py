"""The command ``kedro export-policy``."""

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
from kedro.framework.cli.utils import CONTEXT_SETTINGS

from pmd_pipeline.command_groups import ProjectCommand
from pmd_pipeline.config_loader import project_loader
from pmd_pipeline.shell import kedro

if TYPE_CHECKING:
    from pmd_pipeline.latest_run import EvaluatedPolicy, LatestRun
    from pmd_pipeline.metrics.best_policy import BestPolicy
    from pmd_pipeline.policies.policy import Policy
    from pmd_pipeline.reporting.model_card.facts import CardFacts, PromptExample

_HELP = """Write a policy as a model folder to DESTINATION, any adapter merged into the weights.

POLICY is the initial policy, a phase of a training run such as pmd_mean/seed_0/phase_3, or one of
its rounds: a folder, or its place below 06_models in the environment's data folder. With --best it
is the policy of the environment's latest run that scored highest, chosen by avg@k (by the mean
reward where right and wrong are not told apart), the mean over evaluation sets if there are more.

transformers and `vllm serve` load the folder. A policy that the latest run has evaluated gets a
model card, README.md: recipe, data, results with their intervals. The licence is left to you.
"""


def export_command(project_command: ProjectCommand) -> click.Command:
    """Return the command.

    Args:
        project_command: What is done around a command: see ``cli.project_command``.
    """

    @click.command("export-policy", context_settings=CONTEXT_SETTINGS, help=_HELP)
    @click.argument(
        "paths",
        nargs=-1,
        metavar="[POLICY] DESTINATION",
        type=click.Path(path_type=Path),
    )
    @click.option(
        "--best", is_flag=True, help="The best evaluated policy of the latest run, not POLICY."
    )
    @click.option("--algorithm", help="With --best: among this algorithm's alone.")
    @click.option(
        "--eval-set",
        "eval_sets",
        multiple=True,
        help="With --best: by the scores on this evaluation set; may be given several times.",
    )
    @click.option(
        "--env", "-e", envvar="KEDRO_ENV", help="Kedro environment of the run: a folder in conf."
    )
    def export_policy(
        paths: tuple[Path, ...],
        best: bool,
        algorithm: str | None,
        eval_sets: tuple[str, ...],
        env: str | None,
    ) -> None:
        if len(paths) != (1 if best else 2):
            raise click.UsageError(
                f"with --best, give the folder to write alone: {kedro('export-policy --best')} "
                "my-model"
                if best
                else "give the policy's folder and the folder to write, or --best and the latter"
            )
        if not best and (algorithm is not None or eval_sets):
            raise click.UsageError("--algorithm and --eval-set choose among policies: add --best")
        # What is relative belongs to where the user is, and the command works elsewhere.
        here, destination = paths[0].resolve(), paths[-1].resolve()
        with project_command():
            if best:
                _export_best(env, algorithm, eval_sets, destination)
            else:
                _export_folder(env, here, paths[0], destination)

    return export_policy


def _export_best(
    env: str | None, algorithm: str | None, eval_sets: tuple[str, ...], destination: Path
) -> None:
    from pmd_pipeline.config.training_runs import TrainingRun
    from pmd_pipeline.latest_run import LatestRun
    from pmd_pipeline.metrics.best_policy import best_evaluated
    from pmd_pipeline.policies.export import refuse_occupied
    from pmd_pipeline.reporting import formatting

    refuse_occupied(destination)
    latest = LatestRun(env)
    scores = latest.of_sets(eval_sets)
    choice = best_evaluated(scores, algorithm=algorithm)
    policy = latest.policy(TrainingRun(choice.algorithm, choice.seed), choice.round_index)
    metric = formatting.metric_name(choice.metric, latest.experiment.evaluation.num_samples)
    candidates = formatting.counted(choice.num_candidates, "evaluated policy", "evaluated policies")
    before = "" if choice.initial_score is None else f", initial policy {choice.initial_score:.3f}"
    click.echo(
        f"{choice.algorithm}, training seed {choice.seed}, round {choice.round_index}: the highest "
        f"{metric} of {candidates}, {choice.score:.3f}{before}"
    )
    if choice.initial_score is not None and choice.score <= choice.initial_score:
        click.echo("Note: it scores no higher than the initial policy.")
    sets = tuple(scores["eval_set"].unique())
    _export_with_card(latest, policy, destination, choice=choice, chosen_by=sets)


def _export_folder(env: str | None, here: Path, place: Path, destination: Path) -> None:
    """Export the policy ``here``, or at this place in the environment's data folder."""
    from pmd_pipeline.datasets.policies import stored_policy
    from pmd_pipeline.latest_run import LatestRun
    from pmd_pipeline.policies import export

    data_root = Path.cwd() / project_loader(Path.cwd(), env)["globals"]["data_root"]
    models = data_root / "06_models"
    source = stored_policy(here if here.exists() else models / place, models=models).resolve()
    export.refuse_occupied(destination)
    why = "it is not in this environment's data folder; --env names another"
    if source.is_relative_to(data_root.resolve()):
        try:
            latest = LatestRun(env)
        except ValueError as error:
            why = str(error)
        else:
            policy = latest.evaluated_in(source)
            if policy is not None:
                _export_with_card(latest, policy, destination)
                return
            why = "the latest run has not evaluated it as a trained policy"
    _hide_bars()
    exported = export.export_policy(source, destination)
    _tell(exported, source, destination)
    click.echo(f"It has no model card: {why}.")


def _export_with_card(
    latest: "LatestRun",
    policy: "EvaluatedPolicy",
    destination: Path,
    *,
    choice: "BestPolicy | None" = None,
    chosen_by: tuple[str, ...] = (),
) -> None:
    from pmd_pipeline.policies import export
    from pmd_pipeline.reporting.model_card.card import model_card

    _hide_bars()
    exported = export.export_policy(
        policy.reference.folder,
        destination,
        sampling=latest.experiment.evaluation.sampling,
        card=lambda live, weights: model_card(
            replace(
                _facts(latest, policy, live, weights, name=destination.name),
                choice=choice,
                chosen_by=chosen_by,
            )
        ),
    )
    _tell(exported, policy.reference.folder, destination)
    click.echo(
        f"Its model card is {export.CARD_NAME}: fill in the licence before you publish it.\n"
        f"Serve it with: vllm serve {destination}"
    )


def _hide_bars() -> None:
    """Keep transformers' bars for loading and writing files off the terminal."""
    import transformers

    transformers.utils.logging.disable_progress_bar()


def _tell(exported: "Policy", source: Path, destination: Path) -> None:
    from pmd_pipeline.wording import counted

    updates = counted(exported.policy_version, "update")
    click.echo(
        f"{source}, {updates} from the initial policy, is now in "
        f"{destination}: {exported.num_parameters:,} parameters, {exported.model.dtype}"
    )


def _facts(
    latest: "LatestRun",
    policy: "EvaluatedPolicy",
    exported: "Policy",
    weights: Mapping[str, str],
    *,
    name: str,
) -> "CardFacts":
    from pmd_pipeline.metrics.budgets import training_budgets
    from pmd_pipeline.reporting.model_card.facts import CardFacts
    from pmd_pipeline.tracking.provenance import git_commit, package_versions

    run, round_index = policy.run, policy.reference.round_index
    by_seed, means, rounds = latest.comparison_by_seed, latest.comparison, latest.round_metrics
    of_run = by_seed["algorithm"].eq(run.algorithm) & by_seed["seed"].eq(run.seed)
    own = rounds["algorithm"].eq(run.algorithm) & rounds["seed"].eq(run.seed)
    used = training_budgets(rounds[own & rounds["round"].le(round_index)])
    return CardFacts(
        name=name,
        experiment=latest.experiment,
        run=run,
        round_index=round_index,
        scores=by_seed[of_run & by_seed["round"].isin([0, round_index])],
        means=means[means["algorithm"].eq(run.algorithm)],
        used={str(name): value for name, value in used.iloc[0].items()},
        data_report=latest.data_report,
        source_digests=latest.state.sources,
        prompt=_prompt(latest.eval_problems),
        num_parameters=exported.num_parameters,
        dtype=str(exported.model.dtype),
        checksum=policy.checksum,
        weights=weights,
        created=policy.begun,
        commit=git_commit(Path.cwd()),
        versions=package_versions(),
    )


def _prompt(problems: Any) -> "PromptExample | None":
    """Return how problems were put to the policy, from one whose text its prompt holds once."""
    from pmd_pipeline.config.prompt_templates import PROBLEM_MARK
    from pmd_pipeline.problems.turns import NO_TURNS
    from pmd_pipeline.reporting.model_card.facts import PromptExample

    # A long text is hardly there twice.
    order = problems["problem"].str.len().sort_values(ascending=False, kind="stable").index
    for row in problems.loc[order].itertuples():
        if row.turns == NO_TURNS and row.prompt.count(row.problem) == 1:
            return PromptExample(
                text=row.prompt.replace(row.problem, PROBLEM_MARK),
                has_special_tokens=bool(row.has_special_tokens),
            )
    return None
