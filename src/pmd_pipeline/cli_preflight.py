"""The command ``kedro preflight``."""

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
from kedro.framework.cli.utils import CONTEXT_SETTINGS, _split_params

from pmd_pipeline.command_groups import ProjectCommand
from pmd_pipeline.config_loader import project_loader

if TYPE_CHECKING:
    from kedro.config import OmegaConfigLoader

_positive = click.FloatRange(min=0, min_open=True)
_OPTIONS = [
    click.Option(["--env", "-e"], envvar="KEDRO_ENV", help="Kedro environment: a folder in conf."),
    click.Option(
        ["--params"], default="", callback=_split_params, help="Parameters, as for kedro run."
    ),
    click.Option(
        ["--num-gpus"],
        type=click.IntRange(min=1),
        help="Plan for this many GPUs instead of those of this machine.",
    ),
    click.Option(["--gpu-memory-gib"], type=_positive, help="Plan for GPUs of this size, in GiB."),
    click.Option(
        ["--model-config"],
        type=click.Path(exists=True, resolve_path=True, path_type=Path),
        help="The model's config.json, or its folder, if the hub cannot be reached.",
    ),
    click.Option(["--mean-prompt-tokens"], type=_positive, help="Without it, the limit is used."),
    click.Option(["--mean-response-tokens"], type=_positive, help="Without it, the limit is used."),
    click.Option(
        ["--tokens-per-second-sampling"],
        type=_positive,
        help="Response tokens that one GPU samples per second; without GPUs the machine, or each "
        "sampler on Ray.",
    ),
    click.Option(
        ["--tokens-per-second-training"],
        type=_positive,
        help="Tokens per second that one GPU processes in an update, forward and backward; without "
        "GPUs the machine, or each process that trains on Ray.",
    ),
]


def preflight_command(project_command: ProjectCommand) -> click.Command:
    """Return the command.

    Args:
        project_command: What is done around a command: see ``cli.project_command``.
    """

    def preflight(**options: Any) -> None:
        from pmd_pipeline.cluster import session

        with project_command():
            try:
                can_work = _preflight(**options)
            finally:
                session.leave()
        if not can_work:
            raise SystemExit(1)

    return click.Command(
        name="preflight",
        params=list(_OPTIONS),
        callback=preflight,
        help="Show what a run needs and whether it is available; see docs/recipes.md.\n\n"
        "If the run cannot work, exits with status 1 and says what to change.",
        short_help="Show what a run needs and whether it is available.",
        context_settings=CONTEXT_SETTINGS,
    )


def _preflight(
    *,
    env: str | None,
    params: dict[str, Any],
    num_gpus: int | None,
    gpu_memory_gib: float | None,
    model_config: Path | None,
    mean_prompt_tokens: float | None,
    mean_response_tokens: float | None,
    tokens_per_second_sampling: float | None,
    tokens_per_second_training: float | None,
) -> bool:
    """Print the plan; return True when the run can work."""
    from pmd_pipeline import preflight
    from pmd_pipeline.reporting.console import print_parts

    project = Path.cwd()
    loader = project_loader(project, env, params)
    findings = preflight.plan_run(
        preflight.Request(
            parameters=loader["parameters"],
            engine=loader["catalog"]["rollout_engine"],
            data_root=project / loader["globals"]["data_root"],
            keeps_all_moments=loader["globals"]["keep_optimizer_states"] == "all",
            devices=preflight.PlannedDevices(
                num_gpus=num_gpus,
                memory_bytes=None if gpu_memory_gib is None else int(gpu_memory_gib * 2**30),
            ),
            known=preflight.Assumptions(
                mean_prompt_tokens=mean_prompt_tokens,
                mean_response_tokens=mean_response_tokens,
                sampling_tokens_per_second=tokens_per_second_sampling,
                training_tokens_per_second=tokens_per_second_training,
            ),
            model_config=model_config,
            credentials=_credentials(loader),
        )
    )
    title = f"Preflight of {env or 'the default environment'}"
    print_parts(preflight.plan_table(title, findings))
    return not preflight.failures(findings)


def _credentials(loader: "OmegaConfigLoader") -> dict[str, Any]:
    from kedro.config import MissingConfigException

    try:
        return dict(loader["credentials"])
    except MissingConfigException:
        return {}
