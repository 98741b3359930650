"""One server: requests with retries, and messages that say what to do."""

import email.utils
import time
from collections.abc import Mapping
from types import TracebackType
from typing import Any, Self

import httpx2
import tenacity

from pmd_pipeline.config.evaluate_models import OpenAIEndpointConfig
from pmd_pipeline.endpoints.address import EndpointAddress
from pmd_pipeline.endpoints.errors import EndpointError

# Too many requests, timeouts, and servers that are overloaded, starting or behind one that is.
_MAY_PASS = frozenset({408, 409, 425, 429, 500, 502, 503, 504, 529})
_LONGEST_WAIT_SECONDS = 60.0
_LONGEST_WAIT_ASKED_FOR_SECONDS = 600.0
_CONNECT_SECONDS = 10.0
_SHOWN_CHARACTERS = 300


class _PassingError(Exception):
    """A request failed for a reason that may pass.

    Attributes:
        reason: What happened, without the key.
        wait_seconds: How long the server asks to wait; 0 where it does not say.
    """

    def __init__(self, reason: str, wait_seconds: float = 0.0) -> None:
        super().__init__(reason)
        self.reason = reason
        self.wait_seconds = wait_seconds


class EndpointClient:
    """Asks one server; a context manager, which any number of threads may use.

    Args:
        config: Of the model.
        address: Where the server is.
        name: The model's name in the parameters, for messages.

    Attributes:
        num_retries: How many requests were repeated so far.
    """

    def __init__(self, config: OpenAIEndpointConfig, address: EndpointAddress, name: str) -> None:
        self._config = config
        self._address = address
        self._key = f"evaluate_models.models.{name}"
        self._is_closing = False
        self.num_retries = 0
        headers = {}
        if address.api_key is not None:
            headers["Authorization"] = f"Bearer {address.api_key}"
        self._http = httpx2.Client(
            headers=headers,
            timeout=httpx2.Timeout(config.timeout_seconds, connect=_CONNECT_SECONDS, pool=None),
            limits=httpx2.Limits(
                max_connections=config.concurrency, max_keepalive_connections=config.concurrency
            ),
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()

    def close(self) -> None:
        """End all connections; requests under way fail, and nothing is retried any more."""
        self._is_closing = True
        self._http.close()

    def models(self) -> dict[str, dict[str, Any]]:
        """Return what the server says of each of its models, by name; asks once, no retries.

        Raises:
            EndpointError: If it cannot be reached or does not know the key.
        """
        try:
            answer = self._once("GET", "/models", None)
        except _PassingError as failure:
            raise EndpointError(
                f"{self._key}: {failure.reason}; start the server (such as `vllm serve "
                f"{self._config.model}`), or correct base_url of the entry "
                f"{self._config.credentials!r} in conf/local/credentials.yml"
            ) from None
        entries = answer.get("data")
        if not isinstance(entries, list):
            raise EndpointError(
                f"{self._key}: {self._address.base_url}/models lists no models; base_url of the "
                f"entry {self._config.credentials!r} is probably not that of an OpenAI-compatible "
                "server: it mostly ends in /v1"
            )
        return {str(entry["id"]): entry for entry in entries if "id" in entry}

    def ask(self, path: str, body: Mapping[str, Any]) -> dict[str, Any]:
        """Return the server's answer to one request, repeated while it fails for passing reasons.

        Args:
            path: Such as ``/chat/completions``.
            body: Of the request.

        Raises:
            EndpointError: If the server refuses it, or goes on failing.
        """
        retrying = tenacity.Retrying(
            retry=tenacity.retry_if_exception(self._is_worth_another_try),
            wait=self._wait,
            stop=tenacity.stop_after_attempt(self._config.max_retries + 1),
            sleep=self._sleep,
            before_sleep=self._count,
            reraise=True,
        )
        try:
            return retrying(self._once, "POST", path, body)
        except _PassingError as failure:
            raise EndpointError(
                f"{self._key}: {failure.reason}; {self._config.max_retries + 1} tries were made. "
                "What was answered is kept: run again with the same command to go on. A lower "
                "concurrency or a longer timeout_seconds may help"
            ) from None

    def _is_worth_another_try(self, error: BaseException) -> bool:
        return isinstance(error, _PassingError) and not self._is_closing

    def _wait(self, state: tenacity.RetryCallState) -> float:
        """Return the seconds until the next try: random, so that threads come apart."""
        wait = tenacity.wait_random_exponential(
            multiplier=self._config.first_wait_seconds, max=_LONGEST_WAIT_SECONDS
        )
        error = None if state.outcome is None else state.outcome.exception()
        asked = error.wait_seconds if isinstance(error, _PassingError) else 0.0
        return max(wait(state), min(asked, _LONGEST_WAIT_ASKED_FOR_SECONDS))

    def _sleep(self, seconds: float) -> None:
        """Wait, but not while the client is being closed."""
        end = time.monotonic() + seconds
        while not self._is_closing and (left := end - time.monotonic()) > 0:
            time.sleep(min(left, 0.2))

    def _count(self, _: tenacity.RetryCallState) -> None:
        self.num_retries += 1

    def _once(self, method: str, path: str, body: Mapping[str, Any] | None) -> dict[str, Any]:
        shown = self._address.base_url
        try:
            response = self._http.request(method, f"{self._address.base_url}{path}", json=body)
        except httpx2.TimeoutException:
            raise _PassingError(
                f"{shown} has not answered within the time limit (timeout_seconds: "
                f"{self._config.timeout_seconds:g})"
            ) from None
        # A closed client raises RuntimeError in the threads that still ask.
        except (httpx2.HTTPError, httpx2.InvalidURL, RuntimeError) as error:
            reason = self._address.without_key(str(error)) or type(error).__name__
            raise _PassingError(f"no server answers at {shown} ({reason})") from None
        if response.status_code in _MAY_PASS:
            raise _PassingError(
                f"{shown}{path} answers with status {response.status_code}{self._said(response)}",
                _seconds_to_wait(response.headers.get("retry-after")),
            )
        if response.status_code != httpx2.codes.OK:
            raise EndpointError(self._refusal(path, response))
        try:
            answer = response.json()
        except ValueError:
            answer = None
        if not isinstance(answer, dict):
            raise EndpointError(
                f"{self._key}: {shown}{path} answers with something other than a JSON object; "
                "base_url is probably not that of an OpenAI-compatible server: it mostly ends in "
                "/v1"
            )
        return answer

    def _refusal(self, path: str, response: httpx2.Response) -> str:
        status = response.status_code
        remedy = {
            401: f"give the server's api_key in the entry {self._config.credentials!r} of "
            "conf/local/credentials.yml",
            403: f"the api_key in the entry {self._config.credentials!r} of "
            "conf/local/credentials.yml has no right to this model",
            404: f"base_url mostly ends in /v1, and the model is called {self._config.model!r} "
            "here: correct the one or the other",
        }.get(
            status,
            f"a field that the server does not take can be left out: {self._key}.body: "
            "{name of the field: null}",
        )
        return (
            f"{self._key}: {self._address.base_url}{path} refuses the request with status {status}"
            f"{self._said(response)}; {remedy}"
        )

    def _said(self, response: httpx2.Response) -> str:
        text = " ".join(self._address.without_key(response.text).split())
        return f": {text[:_SHOWN_CHARACTERS]}" if text else ""


def _seconds_to_wait(header: str | None) -> float:
    """Return what the header Retry-After asks for: seconds, or a date; 0 for nothing readable."""
    if header is None:
        return 0.0
    try:
        return max(0.0, float(header))
    except ValueError:
        pass
    try:
        return max(0.0, email.utils.parsedate_to_datetime(header).timestamp() - time.time())
    except ValueError:
        return 0.0
