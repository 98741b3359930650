"""Which training runs an experiment has: every algorithm with every training seed."""

import pytest
from study_helpers import make_experiment

from pmd_pipeline.config.experiment import ParameterError, parse_parameters
from pmd_pipeline.config.training_runs import TrainingRun
from pmd_pipeline.pipeline_registry import (
    Structure,
    get_structure,
    register_pipelines,
    set_structure,
)


def test_every_algorithm_is_trained_with_every_seed_in_their_order() -> None:
    training = {"algorithms": ["grpo", "pmd_mean"], "seeds": [7, 0]}
    _, experiment = make_experiment(training=training)
    assert [run.namespace for run in experiment.training_runs()] == [
        "grpo.seed_7",
        "grpo.seed_0",
        "pmd_mean.seed_7",
        "pmd_mean.seed_0",
    ]


def test_without_seeds_there_is_one_training_of_each() -> None:
    parameters, _ = make_experiment()
    del parameters["training"]["seeds"]
    assert parse_parameters(parameters).training.seeds == (0,)


@pytest.mark.parametrize(("seeds", "expected"), [("0+1+12", (0, 1, 12)), (3, (3,)), ("4", (4,))])
def test_seeds_can_be_one_text_or_number_as_params_gives_them(
    seeds: object, expected: tuple[int, ...]
) -> None:
    assert make_experiment(training={"seeds": seeds})[1].training.seeds == expected


@pytest.mark.parametrize(
    ("seeds", "message"),
    [
        ([0, 1, 0], r"training: seeds names a training seed twice: \[0, 1, 0\]"),
        ([], r"training\.seeds: .*at least 1 item"),
        ([0, -1], r"training\.seeds\.1: .*greater than or equal to 0 \(found -1\)"),
        ("0+one", r"training\.seeds\.1: .*valid integer.* \(found 'one'\)"),
        ("", r"training\.seeds\.0: .*valid integer"),
        (2**63, r"training\.seeds\.0: .*less than or equal to"),
    ],
)
def test_seeds_that_make_no_sense_are_refused_by_name(seeds: object, message: str) -> None:
    with pytest.raises(ParameterError, match=message):
        make_experiment(training={"seeds": seeds})


@pytest.mark.parametrize("inside", ["", ".phase_2", ".phase_2.train", ".comparison"])
def test_what_is_in_a_training_runs_namespace_is_known_by_its_name(inside: str) -> None:
    run = TrainingRun("pmd_mean", 12)
    assert TrainingRun.containing(f"pmd_mean.seed_12{inside}") == run


@pytest.mark.parametrize("name", ["initial", "initial.eval_metrics", "a.seed_x", "seed_1", "a"])
def test_other_names_belong_to_no_training_run(name: str) -> None:
    assert TrainingRun.containing(name) is None


def test_a_namespace_or_a_tag_chooses_one_training_run_an_algorithm_or_a_seed() -> None:
    runs = [TrainingRun(label, seed) for label in ("a", "b") for seed in (1, 11)]
    former = get_structure()
    try:
        set_structure(Structure(runs=tuple(runs), num_phases=2, rounds_per_phase=1, studies=()))
        training = register_pipelines()["training"]
    finally:
        set_structure(former)  # type: ignore[arg-type]

    def trained(part: str) -> set[str]:
        nodes = training.only_nodes_with_namespaces([part]).nodes
        return {run.namespace for node in nodes if (run := TrainingRun.containing(node.name))}

    assert trained("a.seed_1") == {"a.seed_1"}
    assert trained("b") == {"b.seed_1", "b.seed_11"}
    of_seed = training.only_nodes_with_tags("seed_11").nodes
    assert {node.name for node in of_seed} == {
        f"{label}.seed_11.phase_{phase}.train" for label in "ab" for phase in (1, 2)
    }
