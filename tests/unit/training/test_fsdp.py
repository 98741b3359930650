"""A model whose tensors have no content can be sent anywhere, and is the same model."""

import pickle

import torch

from pmd_pipeline.policies.policy import Policy
from pmd_pipeline.policies.skeleton import without_weights
from pmd_pipeline.training.sharded.fsdp import gather_tensor


def test_a_model_without_weights_has_their_names_shapes_and_types(tiny_policy: Policy) -> None:
    tiny_policy.model.get_input_embeddings().requires_grad_(False)
    sent = pickle.dumps(without_weights(tiny_policy.model))
    weight_bytes = 4 * tiny_policy.num_parameters
    assert len(sent) < weight_bytes / 4
    received = pickle.loads(sent)
    assert type(received) is type(tiny_policy.model)
    expected = dict(tiny_policy.model.named_parameters())
    for name, parameter in received.named_parameters():
        assert parameter.is_meta
        assert (parameter.shape, parameter.dtype) == (expected[name].shape, expected[name].dtype)
        assert parameter.requires_grad == expected[name].requires_grad
    assert all(buffer.is_meta for buffer in received.buffers())
    assert all(not parameter.is_meta for parameter in tiny_policy.model.parameters())


def test_tied_weights_are_one_parameter_without_content_too(tiny_policy: Policy) -> None:
    tiny_policy.model.config.tie_word_embeddings = True
    tiny_policy.model.tie_weights()
    empty = without_weights(tiny_policy.model)
    assert empty.get_output_embeddings().weight is empty.get_input_embeddings().weight


def test_a_tensor_that_is_not_divided_is_gathered_as_it_is() -> None:
    tensor = torch.arange(3)
    assert gather_tensor(tensor) is tensor
