"""From a problem source to the task that demonstrates its problems."""

from pmd_pipeline.config.data_preparation import (
    GeneratedAdditionSource,
    ProblemSource,
    ReasoningGymSource,
    demonstrated_family,
)
from pmd_pipeline.problems.tasks.addition import AdditionTask
from pmd_pipeline.problems.tasks.chain_sum import ChainSumTask
from pmd_pipeline.problems.tasks.task import DemonstratedTask


def task_of(source: ProblemSource) -> DemonstratedTask:
    """Return the task of a source.

    Raises:
        ValueError: If there is no demonstrator of its problems.
    """
    match source:
        case GeneratedAdditionSource():
            return AdditionTask(source.operand_widths)
        case ReasoningGymSource() if demonstrated_family(source) == "chain_sum":
            return ChainSumTask(
                min_terms=source.options.get("min_terms", 2),
                max_terms=source.options.get("max_terms", 6),
            )
        case _:
            raise ValueError(f"no demonstrator of problems of kind {source.kind!r}")
