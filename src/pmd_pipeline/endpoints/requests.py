"""From problems to the bodies of requests, and from answers to responses."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from pmd_pipeline.config.data_preparation import DataPreparationConfig
from pmd_pipeline.config.evaluate_models import OpenAIEndpointConfig
from pmd_pipeline.config.prompt_templates import template_turns
from pmd_pipeline.config.sampling import SamplingConfig
from pmd_pipeline.endpoints.address import checked_text
from pmd_pipeline.endpoints.errors import EndpointError
from pmd_pipeline.problems.prompts import PromptTokenizer, table_to_prompts, with_prompts
from pmd_pipeline.problems.tables import table_to_problems
from pmd_pipeline.problems.templates import chat_messages, plain_prompt

CHAT_PATH = "/chat/completions"
COMPLETIONS_PATH = "/completions"

# What a server may take from the model's generation_config.json unless it is told otherwise.
_VLLM_WITHOUT_DEFAULTS = {"top_k": 0, "min_p": 0.0, "repetition_penalty": 1.0}
# Some servers read numbers as a double.
_NUM_SEEDS = 2**53
_END_OF_THOUGHT = "\n</think>\n\n"


@dataclass(frozen=True, slots=True, kw_only=True)
class Reply:
    """What a server has answered to one request.

    Attributes:
        response: The text; what a reasoning model thinks comes first, between ``<think>`` marks.
        truncated: True where the length limit ended it.
        num_tokens: As the server counts them.
        served_model: The model's name in the answer.
        fingerprint: The server's ``system_fingerprint``, empty where it gives none.
    """

    response: str
    truncated: bool
    num_tokens: int
    served_model: str
    fingerprint: str


def prompt_fields(
    problems: Any,
    config: OpenAIEndpointConfig,
    data: DataPreparationConfig,
    tokenizer: PromptTokenizer | None,
) -> list[dict[str, Any]]:
    """Return each problem as a request's body has it: ``messages``, or ``prompt``.

    Args:
        problems: Of the evaluation sets.
        config: Of the endpoint.
        data: How prompts are made.
        tokenizer: The model's, where prompts are sent as token ids.

    Raises:
        EndpointError: If a prompt cannot be put this way.
    """
    if tokenizer is not None:
        rendered = with_prompts(problems, tokenizer, data)
        return [{"prompt": list(p.token_ids)} for p in table_to_prompts(rendered, tokenizer)]
    template = data.prompt_template
    if config.api == "completions":
        if any(problem.turns for problem in table_to_problems(problems)):
            raise EndpointError(
                "problems that are given as chat turns have no plain text; set api: chat, or give "
                "the model's tokenizer"
            )
        return [
            {"prompt": plain_prompt(template, problem.problem)}
            for problem in table_to_problems(problems)
        ]
    if template_turns(template).assistant:
        raise EndpointError(
            "data_preparation.prompt_template begins the answer (assistant), which OpenAI's chat "
            "interface has no place for; set api: completions and give the model's tokenizer"
        )
    return [
        {"messages": [dict(turn) for turn in problem.turns]}
        if problem.turns
        else {"messages": chat_messages(template, problem.problem)}
        for problem in table_to_problems(problems)
    ]


def request_body(
    prompt: Mapping[str, Any],
    config: OpenAIEndpointConfig,
    sampling: SamplingConfig,
    *,
    seed: int,
    is_vllm: bool,
    enable_thinking: bool,
) -> dict[str, Any]:
    """Return the body of a request for one response.

    Args:
        prompt: One of `prompt_fields`.
        config: Of the endpoint.
        sampling: Distribution and length limit.
        seed: Of this response.
        is_vllm: Whether the server is vLLM: it is then told all that it would else take from the
            model's generation_config.json.
        enable_thinking: For chat templates that know the switch; passed to vLLM alone.
    """
    body: dict[str, Any] = {
        "model": config.model,
        **prompt,
        "max_tokens": sampling.max_new_tokens,
        "temperature": sampling.temperature,
        "top_p": sampling.top_p,
        "seed": seed % _NUM_SEEDS,
    }
    if is_vllm:
        body |= _VLLM_WITHOUT_DEFAULTS
        if config.api == "chat":
            body["chat_template_kwargs"] = {"enable_thinking": enable_thinking}
    if sampling.top_k:
        body["top_k"] = sampling.top_k
    body |= config.body
    return {name: value for name, value in body.items() if value is not None}


def read_reply(answer: Mapping[str, Any]) -> Reply:
    """Return what an answer says.

    Raises:
        EndpointError: If it is not in the form of OpenAI's API, or does not count tokens.
    """
    choices: Sequence[Any] = answer.get("choices") or [None]
    choice = choices[0]
    if not isinstance(choice, Mapping):
        raise EndpointError("the server's answer has no choices; it does not speak OpenAI's API")
    usage = answer.get("usage") or {}
    num_tokens = usage.get("completion_tokens") if isinstance(usage, Mapping) else None
    if not isinstance(num_tokens, int):
        raise EndpointError(
            "the server's answer has no usage.completion_tokens, so the length of a response is "
            "not known; ask a server that counts tokens"
        )
    message = choice.get("message")
    if isinstance(message, Mapping):
        thought = message.get("reasoning") or message.get("reasoning_content") or ""
        said = checked_text(message.get("content") or "", "content")
        response = f"<think>\n{thought}{_END_OF_THOUGHT}{said}" if thought else said
    else:
        response = checked_text(choice.get("text"), "text")
    return Reply(
        response=response,
        truncated=choice.get("finish_reason") == "length",
        num_tokens=num_tokens,
        served_model=str(answer.get("model") or ""),
        fingerprint=str(answer.get("system_fingerprint") or ""),
    )
