"""From a problem source to the task that demonstrates its problems."""

from pmd_pipeline.config.data_preparation import GeneratedAdditionSource, ProblemSource
from pmd_pipeline.problems.tasks.addition import AdditionTask
from pmd_pipeline.problems.tasks.task import DemonstratedTask


def task_of(source: ProblemSource) -> DemonstratedTask:
    """Return the task of a source.

    Raises:
        ValueError: If there is no demonstrator of its problems.
    """
    match source:
        case GeneratedAdditionSource():
            return AdditionTask(source.operand_widths)
        case _:
            raise ValueError(f"no demonstrator of problems of kind {source.kind!r}")
