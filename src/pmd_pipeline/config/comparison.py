"""What makes a comparison of algorithms fair, and from which difference on one matters."""

from collections import Counter
from collections.abc import Mapping
from typing import Any, Literal, Self

from pydantic import Field, field_validator, model_validator

from pmd_pipeline.config.algorithms import AnyAlgorithmConfig
from pmd_pipeline.config.base import StrictModel
from pmd_pipeline.config.overrides import (
    group_size_of,
    most_prompts_of,
    num_mini_batches_of,
)
from pmd_pipeline.config.training import TrainingConfig

Quantity = Literal["rollouts", "updates"]

# The parameter that an algorithm may override, and which decides its number.
_DECIDED_BY: Mapping[Quantity, str] = {"rollouts": "group_size", "updates": "num_mini_batches"}
_VALUE_OF = {"rollouts": group_size_of, "updates": num_mini_batches_of}


class ComparisonConfig(StrictModel):
    """Section ``comparison`` of the parameters."""

    equal: tuple[Quantity, ...] = Field(
        default=("rollouts", "updates"),
        description="what every trained algorithm must have the same number of, over the training",
    )
    margin: float = Field(
        default=0.01,
        gt=0,
        lt=1,
        description="from which difference of an evaluation metric on one matters; two algorithms "
        "that are shown to differ by less are equivalent",
    )
    alpha: float = Field(
        default=0.05, gt=0, lt=0.5, description="highest p-value that counts as evidence"
    )

    @field_validator("equal", mode="before")
    @classmethod
    def _quantities_from_one_text(cls, quantities: Any) -> Any:
        """Accept ``rollouts+updates`` as a list, because ``--params`` splits at commas.

        Nothing after ``comparison.equal=`` is null: no quantity.
        """
        if quantities is None or quantities == "":
            return ()
        return tuple(quantities.split("+")) if isinstance(quantities, str) else quantities

    @model_validator(mode="after")
    def _each_once(self) -> Self:
        if len(set(self.equal)) != len(self.equal):
            raise ValueError(f"equal names a quantity twice: {list(self.equal)}")
        return self


def planned(training: TrainingConfig, algorithm: AnyAlgorithmConfig) -> dict[Quantity, int]:
    """Return how many rollouts and updates one training of an algorithm makes at most.

    An update whose gradient is exactly 0, or whose groups a prompt filter has dropped, is not made,
    and a refill draws no more prompts than it needs: what was really done is in ``budgets.csv``.
    """
    rollouts_per_round = most_prompts_of(training, algorithm) * group_size_of(training, algorithm)
    return {
        "rollouts": training.num_rounds * rollouts_per_round,
        "updates": training.num_rounds * num_mini_batches_of(training, algorithm),
    }


def check_equal(
    comparison: ComparisonConfig,
    training: TrainingConfig,
    algorithms: Mapping[str, AnyAlgorithmConfig],
) -> None:
    """Refuse algorithms that are to be compared at equal numbers and do not have them.

    Args:
        comparison: What must be equal.
        training: What the algorithms share.
        algorithms: Those that are trained, by label.

    Raises:
        ValueError: With every algorithm's number, and what to set.
    """
    if "rollouts" in comparison.equal and len(algorithms) > 1:
        _refuse_refills(comparison, algorithms)
    for quantity in comparison.equal:
        numbers = {label: planned(training, own)[quantity] for label, own in algorithms.items()}
        if len(set(numbers.values())) <= 1:
            continue
        usual, _ = Counter(numbers.values()).most_common(1)[0]
        listed = ", ".join(f"{label} {number:,}" for label, number in numbers.items())
        key = _DECIDED_BY[quantity]
        value = _VALUE_OF[quantity](training, algorithms[_first(numbers, usual)])
        remedies = " and ".join(
            f"algorithms.{label}.{key}: {value}"
            for label, number in numbers.items()
            if number != usual
        )
        raise ValueError(
            f"comparison.equal asks for equal {quantity}, but over the training the algorithms "
            f"make different numbers of them: {listed}; set {remedies}, or take {quantity} out of "
            f"comparison.equal ({_without(comparison, quantity)})"
        )


def _refuse_refills(
    comparison: ComparisonConfig, algorithms: Mapping[str, AnyAlgorithmConfig]
) -> None:
    filled = [
        label
        for label, own in algorithms.items()
        if own.prompt_filter is not None and own.prompt_filter.refill is not None
    ]
    if not filled:
        return
    keys = " and ".join(f"algorithms.{label}.prompt_filter.refill" for label in filled)
    remedy = _without(comparison, "rollouts")
    raise ValueError(
        "comparison.equal asks for equal rollouts, but how many a refill draws is known only when "
        f"they are scored: take rollouts out of comparison.equal ({remedy}), and the report "
        f"compares what each algorithm has really sampled; or leave out {keys}"
    )


def _without(comparison: ComparisonConfig, quantity: Quantity) -> str:
    rest = [name for name in comparison.equal if name != quantity]
    return f"comparison.equal: [{', '.join(rest)}]"


def _first(numbers: Mapping[str, int], wanted: int) -> str:
    return next(label for label, number in numbers.items() if number == wanted)
