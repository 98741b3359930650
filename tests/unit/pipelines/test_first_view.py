"""What kedro-viz shows when it opens: folded namespaces, and what passes between them."""

from kedro.pipeline import Pipeline

from pmd_pipeline.config.training_runs import TrainingRun
from pmd_pipeline.pipelines import (
    data_preparation,
    evaluation,
    policy_initialisation,
    reporting,
    rollout_generation,
    theory,
    training,
)


def experiment(*, num_algorithms: int, num_seeds: int) -> Pipeline:
    runs = [TrainingRun(f"a{i}", seed) for i in range(num_algorithms) for seed in range(num_seeds)]
    return Pipeline(
        [
            data_preparation.create_pipeline(),
            policy_initialisation.create_pipeline(),
            rollout_generation.create_pipeline(),
            training.create_pipeline(runs=runs, num_phases=2),
            evaluation.create_pipeline(runs=runs, num_phases=2, rounds_per_phase=1),
            theory.create_pipeline(),
            reporting.create_pipeline(runs=runs),
        ]
    )


def outside(pipeline: Pipeline, namespace: str) -> set[str]:
    """Return the datasets that kedro-viz shows beside a folded namespace, parameters apart."""
    inside = pipeline.only_nodes_with_namespaces([namespace])
    others = pipeline - inside
    leaving = inside.outputs() | (others.inputs() & inside.all_outputs())
    return {name for name in inside.inputs() | leaving if not name.startswith("param")}


def test_training_runs_stay_in_their_algorithms_box() -> None:
    """Of an algorithm one dataset leaves the box, whatever the seeds; what enters, all share."""
    pipeline = experiment(num_algorithms=2, num_seeds=3)
    shared = {
        "selected_prompts", "resume_points", "rollout_engine", "initial_policy",
        "eval_problems", "initial.eval_metrics",
    }  # fmt: skip
    assert outside(pipeline, "a0") == {"a0.results", *shared}
    assert outside(pipeline, "a1") == {"a1.results", *shared}


def test_the_first_view_grows_by_two_things_an_algorithm() -> None:
    """Its box and its results; a training seed more adds nothing."""

    def num_shown(num_algorithms: int, num_seeds: int) -> int:
        pipeline = experiment(num_algorithms=num_algorithms, num_seeds=num_seeds)
        boxes = {str(node.namespace).partition(".")[0] for node in pipeline.nodes if node.namespace}
        bare = [node for node in pipeline.nodes if not node.namespace]
        passing = set().union(*(outside(pipeline, box) for box in boxes))
        return len(boxes) + len(bare) + len(passing)

    assert num_shown(5, 1) == num_shown(5, 3) <= 40
    assert num_shown(6, 3) == num_shown(5, 3) + 2


def test_every_stage_keeps_its_datasets_names() -> None:
    """Namespaces of stages name nodes alone: tables are where documents say."""
    pipeline = experiment(num_algorithms=1, num_seeds=1)
    names = {"train_problems", "selected_prompts", "comparison", "gains", "pairs", "budgets"}
    assert names <= pipeline.all_outputs()
    makers = {name: node.name for node in pipeline.nodes for name in node.outputs}
    assert makers["comparison"] == "reporting.compare"
    assert makers["theory_images"] == "theory.draw_theory_figures"
