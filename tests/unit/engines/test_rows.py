"""Rows of any state: what the library's caches hold, wherever they hold it."""

import pytest
import torch
from tiny_models import tiny_model
from transformers import DynamicCache
from transformers.cache_utils import LinearAttentionLayer

from pmd_pipeline.engines.rows import select_rows

INDICES = torch.tensor([2, 0, 2, 1, 1])


def rows(*shape: int) -> torch.Tensor:
    """Return three rows that differ."""
    return torch.arange(3.0).view(3, *[1] * len(shape)).expand(3, *shape).clone()


def test_tensors_are_found_in_mappings_lists_tuples_and_objects() -> None:
    layer = LinearAttentionLayer(number_of_states=2)
    layer.conv_states[1] = rows(4, 2)
    state = {"layers": [layer, (rows(5), None)], "length": torch.tensor(7), "other": torch.ones(2)}
    found = select_rows(state, INDICES, num_rows=3)
    assert layer.conv_states[1][:, 0, 0].tolist() == INDICES.tolist()
    assert layer.conv_states[0] is None
    assert found["layers"][1][0][:, 0].tolist() == INDICES.tolist()
    assert found["length"] == 7
    assert found["other"].tolist() == [1, 1]


def test_what_is_one_tensor_stays_one() -> None:
    keys = rows(2)
    found = select_rows([keys, keys], INDICES, num_rows=3)
    assert found[0] is found[1]


def test_positions_on_several_axes_have_their_rows_second() -> None:
    cache = DynamicCache()
    cache.position_ids = rows(4).expand(3, 3, 4)
    select_rows(cache, INDICES, num_rows=3)
    assert cache.position_ids[0, :, 0].tolist() == INDICES.tolist()
    assert cache.position_ids.shape == (3, 5, 4)


@pytest.mark.parametrize("model_type", ["mamba2", "lfm2", "qwen3_5_text", "minimax", "zamba"])
def test_a_selected_state_continues_like_the_rows_it_holds(model_type: str) -> None:
    model = tiny_model(model_type)
    name = "cache_params" if model_type == "mamba2" else "past_key_values"
    tokens = torch.tensor([[5, 6, 7, 8, 9], [10, 11, 12, 13, 14], [20, 21, 22, 23, 24]])
    position_ids = {} if model_type == "mamba2" else {"position_ids": torch.full((5, 1), 5)}
    with torch.no_grad():
        state = model(tokens, use_cache=True)[name]
        state = select_rows(state, INDICES, num_rows=3)
        after = torch.full((5, 1), 30)
        found = model(after, use_cache=True, **{name: state}, **position_ids).logits[:, -1]
        whole = torch.cat([tokens[INDICES], after], dim=1)
        expected = model(whole, use_cache=False).logits[:, -1]
    torch.testing.assert_close(found, expected, rtol=1e-4, atol=1e-4)
