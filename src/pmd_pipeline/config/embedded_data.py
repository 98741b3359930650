"""Which problems the embedded policy can read, and its warm start demonstrate."""

from pmd_pipeline.config.data_preparation import (
    TRAIN_SET,
    DataPreparationConfig,
    ProblemSource,
    ReasoningGymSource,
    demonstrated_family,
)


def check_embedded_data(data: DataPreparationConfig) -> None:
    """Refuse data sets that the embedded policy cannot learn.

    Raises:
        ValueError: If a set is of a family without a demonstrator or of another than the training
            problems, or has options that its demonstrator does not know.
    """
    trained = demonstrated_family(data.train)
    for name in data.set_names():
        source, key = data.source_of(name), data.key_of(name)
        family = demonstrated_family(source)
        if family is None:
            raise ValueError(_unreadable(source, name, key))
        if family != trained:
            raise ValueError(
                f"{key}: its problems are of {family}, but the embedded policy is warm-started on "
                f"those of {data.key_of(TRAIN_SET)}, {trained}; make the two agree"
            )
        if isinstance(source, ReasoningGymSource):
            _check_chain_sum(source, key)


def _unreadable(source: ProblemSource, name: str, key: str) -> str:
    if isinstance(source, ReasoningGymSource) and source.dataset == "chain_sum":
        return f"{key}: the embedded policy reads no words; set {key}.text: expression"
    return (
        f"the embedded policy can only read additions and chain sums, but data set {name!r} has "
        f"kind {source.kind!r}; use kind: generated_addition, or kind: reasoning_gym with dataset: "
        "chain_sum and text: expression, or set policy_initialisation.policy to a pretrained model"
    )


def _check_chain_sum(source: ReasoningGymSource, key: str) -> None:
    """Compare the options, or the family's own defaults, with what is demonstrated."""
    options = source.options
    if options.get("max_digits", 4) != 1:
        raise ValueError(
            f"{key}.options.max_digits: the embedded policy's working adds numbers of one digit; "
            f"set it to 1 (found {options.get('max_digits', 'none: the family takes up to 4')})"
        )
    if options.get("allow_negation"):
        raise ValueError(
            f"{key}.options.allow_negation: the embedded policy's working knows no negative terms; "
            "remove it"
        )
    if options.get("min_terms", 2) == 1:
        raise ValueError(f"{key}.options.min_terms: a sum of one term has no working; set it to 2")
