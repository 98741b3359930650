"""A policy's weights by name, as whoever else runs the model needs them."""

from collections.abc import Iterator

from torch import Tensor

from pmd_pipeline.policies.lora import adapted_layers, merged_weight
from pmd_pipeline.policies.policy import Policy


def named_weights(policy: Policy) -> Iterator[tuple[str, Tensor]]:
    """Yield every weight of a policy under the base model's own name, one after another.

    An adapter is added to the weights that it is on, a layer at a time: no second model is built.

    Args:
        policy: The policy; it is not changed.

    Yields:
        Name as in the ``state_dict`` of the transformers model, and the weight, detached. A tied
        weight comes once, under its first name: the embedding's, not the output head's.
    """
    adapted = adapted_layers(policy.model)
    seen: set[int] = set()
    # Tensors of `keep_vars` are the parameters themselves, so that a tied one is the same object.
    for name, weight in policy.model.state_dict(keep_vars=True).items():
        if id(weight) in seen:
            continue
        seen.add(id(weight))
        layer = name.removesuffix(".base_layer.weight")
        if layer in adapted:
            yield f"{layer}.weight", merged_weight(adapted[layer])
        elif not (adapted and ".lora_" in name):
            yield name.replace(".base_layer.", "."), weight.detach()
