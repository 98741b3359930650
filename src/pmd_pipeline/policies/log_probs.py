"""Log-probs of responses under a policy, without a [tokens, vocabulary] tensor in memory.

The model's trunk gives a hidden state per position; only positions that predict a response token go
through the output head; see ``output_head``.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from jaxtyping import Float32
from torch import Tensor
from transformers import PreTrainedModel

from pmd_pipeline.policies.chunk_size import LOGITS_PER_CHUNK
from pmd_pipeline.policies.logit_form import logit_form
from pmd_pipeline.policies.output_head import head_log_probs
from pmd_pipeline.policies.packing import packed_hidden_states


@dataclass(frozen=True, slots=True, kw_only=True)
class TokenLogProbs:
    """Per response token; padding holds 0. B responses, T tokens.

    Attributes:
        log_probs: Of the response tokens at the sampling temperature, nats.
        entropy: Of the distribution that each token was drawn from, nats, no gradient; None if it
            was not asked for.
    """

    log_probs: Float32[Tensor, "B T"]
    entropy: Float32[Tensor, "B T"] | None = None


def response_log_probs(
    model: PreTrainedModel,
    prompt_token_ids: Sequence[Sequence[int]],
    response_token_ids: Tensor,
    response_mask: Tensor,
    *,
    temperature: float,
    packed: bool = False,
    with_entropy: bool = False,
    logits_per_chunk: int = LOGITS_PER_CHUNK,
) -> TokenLogProbs:
    """Return log-probs of responses given their prompts.

    Args:
        model: A causal language model.
        prompt_token_ids: B prompts.
        response_token_ids: [B, T], right-padded.
        response_mask: True on response tokens, a prefix of each row, [B, T].
        temperature: The sampling temperature.
        packed: Compute no padding; see ``packing``.
        with_entropy: Compute entropies too.
        logits_per_chunk: Most logits in memory at once.

    Raises:
        UnsupportedModelError: If the model's logits are of no known form; see ``logit_form``.
    """
    form = logit_form(model)
    device = next(model.parameters()).device
    response_token_ids = response_token_ids.to(device)
    response_mask = response_mask.to(device)
    token_ids, is_token, predicts = _right_padded(
        prompt_token_ids, response_token_ids, response_mask
    )
    if packed:
        hidden = packed_hidden_states(model, token_ids, is_token)[predicts[is_token]]
    else:
        hidden = model.get_submodule(form.trunk)(
            input_ids=token_ids, attention_mask=is_token.long(), use_cache=False
        ).last_hidden_state[predicts]
    if form.input_scale != 1:
        hidden = hidden * form.input_scale
    targets = response_token_ids[response_mask]

    log_probs, entropy = head_log_probs(
        model.get_output_embeddings(),
        hidden,
        targets,
        temperature=temperature,
        form=form,
        with_entropy=with_entropy,
        logits_per_chunk=logits_per_chunk,
    )
    shape = response_mask.shape
    empty = torch.zeros(shape, dtype=torch.float32, device=device)
    return TokenLogProbs(
        log_probs=empty.masked_scatter(response_mask, log_probs.float()),
        entropy=None if entropy is None else empty.masked_scatter(response_mask, entropy.float()),
    )


def _right_padded(
    prompts: Sequence[Sequence[int]], responses: Tensor, mask: Tensor
) -> tuple[Tensor, Tensor, Tensor]:
    """Lay prompts and responses side by side, left-aligned, so that positions count from 0.

    Returns:
        Token ids, False on the padding, and True where a position predicts a response token,
        all [B, W].
    """
    device = responses.device
    prompt_lengths = torch.tensor([len(prompt) for prompt in prompts], device=device)
    lengths = prompt_lengths + mask.sum(dim=1)
    width = int(lengths.max())
    columns = torch.arange(width, device=device)
    is_token = columns < lengths[:, None]
    is_response = is_token & (columns >= prompt_lengths[:, None])
    token_ids = torch.zeros((len(prompts), width), dtype=torch.long, device=device)
    token_ids[columns < prompt_lengths[:, None]] = torch.tensor(
        [token for prompt in prompts for token in prompt], device=device
    )
    token_ids[is_response] = responses[mask]
    predicts = torch.zeros_like(is_response)
    predicts[:, :-1] = is_response[:, 1:]
    return token_ids, is_token, predicts
