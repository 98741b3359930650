"""A model sent without its weights, to be filled elsewhere."""

import pickle

import torch
from vllm_helpers import make_tied_policy

from pmd_pipeline.policies.skeleton import named_tensors, with_empty_weights, without_weights


def test_tensors_of_a_copy_lie_in_memory_as_those_of_the_model() -> None:
    """Weights from a file begin where they did in it, which last bits of products depend on."""
    model = make_tied_policy().model
    for place, parameter in enumerate(model.parameters()):
        room = torch.empty(parameter.numel() + place % 16)
        parameter.data = room[place % 16 :].view(parameter.shape)
    sent = pickle.loads(pickle.dumps(without_weights(model)))
    assert all(tensor.is_meta for _, tensor in named_tensors(sent))
    copy = with_empty_weights(sent, torch.device("cpu"))

    def places(of: torch.nn.Module) -> dict[str, int]:
        return {name: tensor.data_ptr() % 64 for name, tensor in named_tensors(of)}

    assert places(copy) == places(model)
    assert len(set(places(model).values())) > 8
    assert copy.get_output_embeddings().weight is copy.get_input_embeddings().weight
    for (name, own), (_, other) in zip(named_tensors(copy), named_tensors(model), strict=True):
        assert own.shape == other.shape, name
        assert own.requires_grad == other.requires_grad, name
