"""The cache with room to grow holds what the library's own would hold."""

import torch
from torch import Tensor
from transformers import LlamaConfig
from transformers.cache_utils import DynamicLayer

from pmd_pipeline.engines.growing_cache import TOKENS_TO_GROW_BY, GrowingLayer, growing_cache


def states(batch: int, tokens: int, seed: int) -> tuple[Tensor, Tensor]:
    generator = torch.Generator().manual_seed(seed)
    keys, values = torch.randn(2, batch, 3, tokens, 4, generator=generator)
    return keys, values


def test_appending_repeating_and_selecting_give_what_the_library_gives() -> None:
    ours, theirs = GrowingLayer(), DynamicLayer()
    for layer in (ours, theirs):
        layer.update(*states(2, 5, seed=0))
        layer.batch_select_indices(torch.arange(6) // 3)  # each row three times
        layer.update(*states(6, 1, seed=1))
        layer.batch_select_indices(torch.tensor([0, 5, 2, 4]))  # the last takes the second's place
        layer.update(*states(4, 1, seed=2))
        layer.batch_select_indices(torch.tensor([3, 1]))
        layer.update(*states(2, 1, seed=3))
    assert ours.get_seq_length() == 8
    torch.testing.assert_close(ours.keys, theirs.keys, rtol=0, atol=0)
    torch.testing.assert_close(ours.values, theirs.values, rtol=0, atol=0)


def test_outgrowing_the_room_keeps_every_token() -> None:
    layer, expected = GrowingLayer(), []
    for step in range(2 * TOKENS_TO_GROW_BY + 10):
        expected.append(states(2, 1, seed=step))
        keys, values = layer.update(*expected[-1])
    torch.testing.assert_close(keys, torch.cat([k for k, _ in expected], dim=2), rtol=0, atol=0)
    torch.testing.assert_close(values, torch.cat([v for _, v in expected], dim=2), rtol=0, atol=0)


def test_a_new_token_is_written_into_the_room_that_is_there() -> None:
    layer = GrowingLayer()
    layer.update(*states(2, 5, seed=0))
    first, _ = layer.update(*states(2, 1, seed=1))
    second, _ = layer.update(*states(2, 1, seed=2))
    assert second.data_ptr() == first.data_ptr()


def test_rows_that_join_end_where_the_others_end_and_begin_with_zeros() -> None:
    layer, short, long = GrowingLayer(), GrowingLayer(), GrowingLayer()
    short.update(*states(2, 3, seed=0))
    long.update(*states(1, 9, seed=1))
    layer.join(short, torch.tensor([1, 1, 0]))
    keys, _ = layer.update(*states(3, 1, seed=2))
    begun = keys.clone()
    layer.join(long, torch.tensor([0]))
    assert layer.keys.shape[:3] == (4, 3, 9)
    assert torch.equal(layer.keys[:3, :, 5:], begun)
    assert not layer.keys[:3, :, :5].any()
    assert torch.equal(layer.keys[3], long.keys[0])


def test_a_row_that_joins_takes_a_dropped_ones_memory_without_its_content() -> None:
    layer, prompt = GrowingLayer(), GrowingLayer()
    prompt.update(*states(1, 2, seed=0))
    layer.join(prompt, torch.tensor([0, 0]))
    for step in range(4):
        layer.update(*states(2, 1, seed=step))
    before = layer.values.data_ptr()
    layer.move(torch.tensor([], dtype=torch.long), torch.tensor([], dtype=torch.long), 1)
    layer.join(prompt, torch.tensor([0]))
    assert layer.values.data_ptr() == before
    assert not layer.values[1, :, :4].any()
    assert torch.equal(layer.values[1, :, 4:], prompt.values[0])


def test_the_memory_of_rows_and_columns_given_up_is_free_once_the_rest_grows() -> None:
    layer = GrowingLayer()
    layer.update(*states(50, 400, seed=0))
    layer.update(*states(50, 1, seed=1))
    layer.move(torch.tensor([40]), torch.tensor([0]), 1)
    layer.trim(10)
    last = layer.values[0, :, -1].clone()
    for step in range(TOKENS_TO_GROW_BY + 1):
        layer.update(*states(1, 1, seed=step))
    room = layer.values.untyped_storage().nbytes() // layer.values[0, :, 0].nbytes
    assert room <= 2 * (10 + TOKENS_TO_GROW_BY)
    assert torch.equal(layer.values[0, :, 9], last)


def test_layers_with_a_sliding_window_stay_the_librarys() -> None:
    config = LlamaConfig(num_hidden_layers=2)
    assert [type(layer) for layer in growing_cache(config).layers] == [GrowingLayer] * 2
    config.sliding_window, config.layer_types = 8, ["full_attention", "sliding_attention"]
    full, sliding = growing_cache(config).layers
    assert isinstance(full, GrowingLayer)
    assert not isinstance(sliding, GrowingLayer)
