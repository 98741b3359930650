"""A model on a server, as a pipeline's nodes get it."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

import pandas as pd

from pmd_pipeline.config.data_preparation import DataPreparationConfig
from pmd_pipeline.config.evaluate_models import OpenAIEndpointConfig
from pmd_pipeline.config.evaluation import EvaluationConfig
from pmd_pipeline.endpoints.address import EndpointAddress
from pmd_pipeline.endpoints.asking import ask_all
from pmd_pipeline.endpoints.errors import EndpointError
from pmd_pipeline.seeds import derive_seed
from pmd_pipeline.wording import listed

if TYPE_CHECKING:
    from pmd_pipeline.endpoints.client import EndpointClient
    from pmd_pipeline.endpoints.requests import Reply

RESPONSE_COLUMNS = (
    "problem_id",
    "sample_index",
    "response",
    "truncated",
    "num_tokens",
    "served_model",
    "fingerprint",
)
_MOST_NAMED = 10


@dataclass(frozen=True, slots=True, kw_only=True)
class Endpoint:
    """A model on a server.

    Attributes:
        name: In the parameters.
        config: How it is asked.
        credentials: The entry of the credentials, as it was read; never shown.
    """

    name: str
    config: OpenAIEndpointConfig
    credentials: Any

    def __repr__(self) -> str:
        return f"Endpoint({self.name!r})"

    def address(self) -> EndpointAddress:
        """Return where the server is.

        Raises:
            EndpointError: If the credentials do not say.
        """
        try:
            return EndpointAddress.of(self.credentials, entry=self.config.credentials)
        except EndpointError as error:
            raise EndpointError(f"{self._key}.credentials: {error}") from None

    def check(self) -> dict[str, Any]:
        """Return what the server says of the model.

        Raises:
            EndpointError: If it cannot be reached, refuses the key or has no such model.
        """
        with self._client() as client:
            return dict(self._find_model(client))

    def responses(
        self,
        problems: pd.DataFrame,
        former: pd.DataFrame,
        *,
        data: DataPreparationConfig,
        evaluation: EvaluationConfig,
        seed: int,
    ) -> Iterator[pd.DataFrame]:
        """Yield the responses that are still missing, a table every few seconds.

        Args:
            problems: Of the evaluation sets.
            former: Responses that are there already.
            data: How prompts are made.
            evaluation: How many responses, and how they are sampled.
            seed: Of the run.

        Yields:
            Tables of ``RESPONSE_COLUMNS``, rows in the order in which they came.

        Raises:
            EndpointError: If the server cannot be asked, or goes on failing.
        """
        from pmd_pipeline.endpoints.requests import (
            CHAT_PATH,
            COMPLETIONS_PATH,
            prompt_fields,
            read_reply,
            request_body,
        )

        there = set(zip(former["problem_id"], former["sample_index"], strict=True))
        with self._client() as client:
            is_vllm = self._find_model(client).get("owned_by") == "vllm"
            prompts = self._prompts(problems, data, prompt_fields)
            path = CHAT_PATH if self.config.api == "chat" else COMPLETIONS_PATH

            def ask(question: tuple[str, int]) -> "Reply":
                problem_id, sample_index = question
                body = request_body(
                    prompts[problem_id],
                    self.config,
                    evaluation.sampling,
                    seed=derive_seed(seed, "evaluation", problem_id, sample_index),
                    is_vllm=is_vllm,
                    enable_thinking=data.enable_thinking,
                )
                try:
                    return read_reply(client.ask(path, body))
                except EndpointError as error:
                    raise self._named(error) from None

            questions = [
                (problem_id, sample_index)
                for problem_id in prompts
                for sample_index in range(evaluation.num_samples)
                if (problem_id, sample_index) not in there
            ]
            for answered in ask_all(questions, ask, concurrency=self.config.concurrency):
                yield pd.DataFrame(
                    [
                        {"problem_id": problem_id, "sample_index": sample_index, **asdict(reply)}
                        for (problem_id, sample_index), reply in answered
                    ],
                    columns=list(RESPONSE_COLUMNS),
                )

    @property
    def sends_seeds(self) -> bool:
        """Whether each request has a seed."""
        return "seed" not in self.config.body

    @property
    def _key(self) -> str:
        return f"evaluate_models.models.{self.name}"

    def _client(self) -> "EndpointClient":
        from pmd_pipeline.endpoints.client import EndpointClient

        return EndpointClient(self.config, self.address(), self.name)

    def _find_model(self, client: "EndpointClient") -> Mapping[str, Any]:
        models = client.models()
        if self.config.model not in models:
            names = [repr(name) for name in models]
            there_is = listed(names[:_MOST_NAMED]) or "none"
            if len(names) > _MOST_NAMED:
                there_is += f" and {len(names) - _MOST_NAMED} more"
            raise EndpointError(
                f"{self._key}.model: {self.address().base_url} has no model "
                f"{self.config.model!r}; it has {there_is}"
            )
        return models[self.config.model]

    def _prompts(
        self, problems: pd.DataFrame, data: DataPreparationConfig, prompt_fields: Any
    ) -> dict[str, dict[str, Any]]:
        tokenizer = None
        if self.config.tokenizer is not None:
            from pmd_pipeline.policies.loading import load_pretrained_tokenizer

            tokenizer = load_pretrained_tokenizer(self.config.tokenizer)
        try:
            fields: Sequence[dict[str, Any]] = prompt_fields(problems, self.config, data, tokenizer)
        except EndpointError as error:
            raise self._named(error) from None
        return dict(zip(problems["problem_id"], fields, strict=True))

    def _named(self, error: EndpointError) -> EndpointError:
        text = str(error)
        return error if text.startswith(self._key) else EndpointError(f"{self._key}: {text}")
