"""A policy's weights by name, as whoever else runs the model needs them."""

from collections.abc import Iterator

from torch import Tensor

from pmd_pipeline.policies.policy import Policy


def named_weights(policy: Policy) -> Iterator[tuple[str, Tensor]]:
    """Yield every weight of a policy under the base model's own name, one after another.

    Args:
        policy: The policy; it is not changed.

    Yields:
        Name as in the ``state_dict`` of the transformers model, and the weight, detached. A tied
        weight comes once, under its first name: the embedding's, not the output head's.
    """
    seen: set[int] = set()
    # Tensors of `keep_vars` are the parameters themselves, so that a tied one is the same object.
    for name, weight in policy.model.state_dict(keep_vars=True).items():
        if id(weight) not in seen:
            seen.add(id(weight))
            yield name, weight.detach()
