"""Nodes of the pipeline ``evaluate_models``.

Building the pipelines imports this module, for `kedro viz` too: what takes long to import is
imported within the nodes that use it.
"""

import json
from collections.abc import Iterator, Mapping
from typing import Any

import pandas as pd

from pmd_pipeline.config.comparison import ComparisonConfig
from pmd_pipeline.config.compute import ComputeConfig
from pmd_pipeline.config.data_preparation import DataPreparationConfig
from pmd_pipeline.config.evaluation import EvaluationConfig
from pmd_pipeline.config.rewards import RewardParameters
from pmd_pipeline.datasets.models import COMPLETE, checksum_of, no_responses
from pmd_pipeline.endpoints.endpoint import Endpoint
from pmd_pipeline.engines.base import RolloutEngine
from pmd_pipeline.metrics.models import model_differences, model_problem_scores, model_scores
from pmd_pipeline.pipelines.evaluation.nodes import sample_completions, with_problems
from pmd_pipeline.pipelines.plain_parameters import plain_value
from pmd_pipeline.policies.reference import PolicyReference, PretrainedReference
from pmd_pipeline.problems.prompts import with_prompts
from pmd_pipeline.progress import progress_bar
from pmd_pipeline.records import Prompt
from pmd_pipeline.rewards import with_vote_labels
from pmd_pipeline.rewards.choice import reward_for
from pmd_pipeline.rewards.length_penalty import length_penalty_of

COMPLETIONS, ABOUT = "completions_", "about_"
"""What the inputs of a model are called where all of them come together."""

_REPEATS = (
    "yes, by the same seeds: to the byte with the transformers engine, on the same kind of "
    "processor and with the same libraries"
)
_REPEATS_NOT = (
    "no: what a server decodes beside a response decides its last bits, and the server may change "
    "without a word"
)


def evaluate_model(
    model: PolicyReference | PretrainedReference,
    eval_problems: pd.DataFrame,
    engine: RolloutEngine,
    data: DataPreparationConfig,
    evaluation: EvaluationConfig,
    rewards: RewardParameters,
    compute: ComputeConfig,
    seed: int,
) -> tuple[pd.DataFrame, dict[str, Any]]:
    """Sample and grade k responses per problem; return every completion, and what the model is.

    Prompts are the model's own: its chat template, its tokens. All models answer with the same
    random numbers.
    """
    policy = model.load(compute)
    problems = with_prompts(eval_problems, policy.tokenizer, data)
    completions = sample_completions(policy, problems, engine, evaluation, rewards, seed)
    return completions, {
        "checksum": checksum_of(model),
        "parameters": policy.num_parameters,
        "updates since its initial policy": policy.policy_version,
        "weights": str(policy.model.dtype).removeprefix("torch."),
        "seeds": "one per problem, the same for all models",
        "repeats": _REPEATS,
    }


def ask_endpoint(
    endpoint: Endpoint,
    former_responses: pd.DataFrame,
    eval_problems: pd.DataFrame,
    data: DataPreparationConfig,
    evaluation: EvaluationConfig,
    seed: int,
) -> Iterator[dict[str, pd.DataFrame]]:
    """Ask a server for the responses that are still missing; yield them every few seconds."""
    num_former = int(former_responses.attrs["num_partitions"])
    total = len(eval_problems) * evaluation.num_samples
    with progress_bar(endpoint.name, total, "responses") as bar:
        bar.update(len(former_responses))
        tables = endpoint.responses(
            eval_problems, former_responses, data=data, evaluation=evaluation, seed=seed
        )
        for number, table in enumerate(tables, start=num_former + 1):
            bar.update(len(table))
            yield {f"part_{number:06d}": table}
    yield {COMPLETE: no_responses()}


def grade_responses(
    responses: pd.DataFrame,
    endpoint: Endpoint,
    eval_problems: pd.DataFrame,
    rewards: RewardParameters,
    evaluation: EvaluationConfig,
) -> tuple[pd.DataFrame, dict[str, Any]]:
    """Grade a server's responses; return every completion, and what is known of the server."""
    place = {problem_id: i for i, problem_id in enumerate(eval_problems["problem_id"])}
    order = responses["problem_id"].map(place)
    ordered = responses.assign(_place=order).sort_values(["_place", "sample_index"])
    ordered = ordered.drop(columns="_place").reset_index(drop=True)
    scores = reward_for(rewards.root)(
        _prompts_of(ordered, eval_problems), ordered["response"].tolist()
    )
    graded = ordered.assign(
        answer=pd.Series([score.answer for score in scores], dtype=object),
        correct=pd.array([score.correct for score in scores], dtype="boolean"),
        grade_reason=[score.reason for score in scores],
        reward=[float(score.reward) for score in scores],
    )
    penalty = length_penalty_of(rewards.root)
    if penalty is not None:
        graded["reward"] -= penalty.of(graded["num_tokens"], evaluation.sampling.max_new_tokens)
    config = endpoint.config
    prompts = {
        "chat": "messages, rendered by the server",
        "completions": "plain text" if config.tokenizer is None else "token ids",
    }[config.api]
    return with_problems(graded, eval_problems), {
        "served at": endpoint.address().base_url,
        "name in its answers": _distinct(responses["served_model"]),
        "system fingerprint": _distinct(responses["fingerprint"]) or "none given",
        "prompts": prompts,
        "further fields": json.dumps(config.body) if config.body else "none",
        "seeds": "one per response, sent with each request" if endpoint.sends_seeds else "not sent",
        "repeats": _REPEATS_NOT,
    }


def score_problems(rewards: RewardParameters, **completions: pd.DataFrame) -> pd.DataFrame:
    """Return what every model scored on every problem."""
    return model_problem_scores(
        {
            name.removeprefix(COMPLETIONS): with_vote_labels(table)
            for name, table in completions.items()
        },
        has_answers=rewards.root.gives_answers,
    )


def compare_models(
    scores: pd.DataFrame, evaluation: EvaluationConfig, comparison: ComparisonConfig
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Return the models' scores, and what can be said of every pair of them."""
    level = evaluation.interval_level
    return model_scores(scores, level=level), model_differences(
        scores, margin=comparison.margin, alpha=comparison.alpha, level=level
    )


def write_model_report(
    scores: pd.DataFrame,
    differences: pd.DataFrame,
    parameters: dict[str, Any],
    provenance: dict[str, Any],
    **of_models: Any,
) -> str:
    """Return the page, which needs no network."""
    from pmd_pipeline.reporting.models_page.page import ModelPageInputs, render_model_page

    return render_model_page(
        ModelPageInputs(
            scores=scores,
            differences=differences,
            completions=_named(of_models, COMPLETIONS),
            about=_named(of_models, ABOUT),
            parameters={name: plain_value(value) for name, value in parameters.items()},
            provenance=provenance,
        )
    )


def _prompts_of(responses: pd.DataFrame, eval_problems: pd.DataFrame) -> list[Prompt]:
    from pmd_pipeline.problems.tables import table_to_problems

    known = {problem.problem_id: problem for problem in table_to_problems(eval_problems)}
    return [
        Prompt(
            problem_id=problem.problem_id,
            token_ids=(),
            answer=problem.answer,
            problem=problem.problem,
            metadata=problem.metadata,
        )
        for problem in (known[problem_id] for problem_id in responses["problem_id"])
    ]


def _distinct(texts: pd.Series) -> str:
    return ", ".join(sorted({str(text) for text in texts} - {""}))


def _named(inputs: Mapping[str, Any], prefix: str) -> dict[str, Any]:
    return {
        name.removeprefix(prefix): value
        for name, value in inputs.items()
        if name.startswith(prefix)
    }
