"""Demonstrations that share rows, so that little padding is computed.

Demonstrations of one task are of very unequal length: a guess takes a third of a worked solution.
The longest get a row each, the others fill what is left of the rows; each has positions of its own
and sees itself alone.
"""

from typing import NamedTuple

import torch
from torch import Tensor


class Tokens(NamedTuple):
    """The token ids of a demonstration.

    Attributes:
        prompt: Of the prompt.
        response: Of the response, its end included.
        first_weight: Of the response's first token in the loss; every other token has 1.
    """

    prompt: list[int]
    response: list[int]
    first_weight: float = 1.0

    def __len__(self) -> int:
        return len(self.prompt) + len(self.response)


class DemonstrationRows(NamedTuple):
    """Rows of demonstrations, R of width W; what is left of a row is padding.

    Attributes:
        token_ids: [R, W].
        positions: Of each token within its demonstration, [R, W].
        demonstration: The index of each token's demonstration, -1 on padding, [R, W].
        is_target: True on the tokens to imitate: the responses', [R, W].
        weight: Of each token to imitate in the loss; 0 elsewhere, [R, W].
    """

    token_ids: Tensor
    positions: Tensor
    demonstration: Tensor
    is_target: Tensor
    weight: Tensor

    @property
    def attention_mask(self) -> Tensor:
        """Whether a token sees another: those of its own demonstration up to itself, [R, 1, W, W].

        Padding sees padding, since what sees nothing would have no number.
        """
        same = self.demonstration[:, :, None] == self.demonstration[:, None, :]
        return same.tril()[:, None]

    def to(self, device: torch.device) -> "DemonstrationRows":
        """Return the rows on a device."""
        return DemonstrationRows(*(tensor.to(device) for tensor in self))


def shared_rows(
    demonstrations: list[Tokens], *, width: int, pad_token_id: int
) -> DemonstrationRows:
    """Return demonstrations in few rows: each, the longest first, in the first row with room.

    Raises:
        ValueError: If a demonstration is longer than a row.
    """
    longest = max(map(len, demonstrations))
    if longest > width:
        raise ValueError(f"a demonstration of {longest} tokens in rows of {width}: widen the rows")
    rows: list[list[int]] = []
    room: list[int] = []
    for index in sorted(range(len(demonstrations)), key=lambda i: -len(demonstrations[i])):
        length = len(demonstrations[index])
        row = next((row for row, left in enumerate(room) if left >= length), len(rows))
        if row == len(rows):
            rows.append([])
            room.append(width)
        rows[row].append(index)
        room[row] -= length
    token_ids, positions, demonstration, is_target, weight = [], [], [], [], []
    for indices, left in zip(rows, room, strict=True):
        chosen = [demonstrations[index] for index in indices]
        token_ids.append(
            [i for d in chosen for i in (*d.prompt, *d.response)] + [pad_token_id] * left
        )
        positions.append([i for d in chosen for i in range(len(d))] + [0] * left)
        demonstration.append(
            [i for i in indices for _ in range(len(demonstrations[i]))] + [-1] * left
        )
        is_target.append([part for d in chosen for part in _is_target(d)] + [False] * left)
        weight.append([value for d in chosen for value in _weights(d)] + [0.0] * left)
    return DemonstrationRows(
        *map(torch.tensor, (token_ids, positions, demonstration, is_target, weight))
    )


def _is_target(demonstration: Tokens) -> list[bool]:
    return [False] * len(demonstration.prompt) + [True] * len(demonstration.response)


def _weights(demonstration: Tokens) -> list[float]:
    rest = len(demonstration.response) - 1
    return [0.0] * len(demonstration.prompt) + [demonstration.first_weight] + [1.0] * rest
