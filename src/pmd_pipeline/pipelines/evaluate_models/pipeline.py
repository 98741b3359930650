"""Models compared without training: policies, model folders, hub names, servers."""

from collections.abc import Mapping

from kedro.pipeline import Node, Pipeline

from pmd_pipeline.config.evaluate_models import EVALUATE_MODELS
from pmd_pipeline.pipelines import data_preparation
from pmd_pipeline.pipelines.evaluate_models import nodes
from pmd_pipeline.pipelines.evaluation.nodes import compute_eval_metrics

_REPORTING = "model_reporting"
_DATA = "params:data_preparation"


def create_pipeline(*, models: Mapping[str, bool]) -> Pipeline:
    """Return the evaluation of models: the problems, a namespace per model, and what compares them.

    Args:
        models: By name, whether a server runs it.
    """
    if not models:
        return Pipeline([])
    return Pipeline(
        [
            data_preparation.create_pipeline(),
            *(_evaluate(name, is_served) for name, is_served in models.items()),
            _compare(list(models)),
        ]
    )


def _evaluate(name: str, is_served: bool) -> Pipeline:
    return Pipeline(
        [
            *(_asked() if is_served else _sampled()),
            Node(
                compute_eval_metrics,
                inputs=["eval_completions", "params:evaluation", "params:rewards"],
                outputs="eval_metrics",
                name="compute_metrics",
            ),
        ],
        namespace=f"{EVALUATE_MODELS}.{name}",
        inputs={"eval_problems"} | (set() if is_served else {"rollout_engine"}),
        parameters={
            f"params:{section}"
            for section in (
                *("data_preparation", "evaluation", "rewards", "seed"),
                *(() if is_served else ("compute",)),
            )
        },
        tags=EVALUATE_MODELS,
    )


def _sampled() -> list[Node]:
    return [
        Node(
            nodes.evaluate_model,
            inputs=[
                *("model", "eval_problems", "rollout_engine", _DATA),
                *("params:evaluation", "params:rewards", "params:compute", "params:seed"),
            ],
            outputs=["eval_completions", "about"],
            name="evaluate",
        )
    ]


def _asked() -> list[Node]:
    return [
        Node(
            nodes.ask_endpoint,
            inputs=[
                *("endpoint", "former_responses", "eval_problems", _DATA),
                *("params:evaluation", "params:seed"),
            ],
            outputs="responses",
            name="ask",
        ),
        Node(
            nodes.grade_responses,
            inputs=[
                *("responses", "endpoint", "eval_problems"),
                *("params:rewards", "params:evaluation"),
            ],
            outputs=["eval_completions", "about"],
            name="grade",
        ),
    ]


def _compare(models: list[str]) -> Pipeline:
    completions = {
        f"{nodes.COMPLETIONS}{m}": f"{EVALUATE_MODELS}.{m}.eval_completions" for m in models
    }
    about = {f"{nodes.ABOUT}{m}": f"{EVALUATE_MODELS}.{m}.about" for m in models}
    return Pipeline(
        [
            Node(
                nodes.score_problems,
                inputs={"rewards": "params:rewards", **completions},
                outputs="model_problem_scores",
                name="score_problems",
            ),
            Node(
                nodes.compare_models,
                inputs=["model_problem_scores", "params:evaluation", "params:comparison"],
                outputs=["model_scores", "model_differences"],
                name="compare",
            ),
            Node(
                nodes.write_model_report,
                inputs={
                    "scores": "model_scores",
                    "differences": "model_differences",
                    "parameters": "parameters",
                    "provenance": "provenance",
                    **completions,
                    **about,
                },
                outputs="model_report",
                name="write_report",
            ),
        ],
        namespace=_REPORTING,
        prefix_datasets_with_namespace=False,
        tags=_REPORTING,
    )
