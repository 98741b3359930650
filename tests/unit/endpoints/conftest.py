"""A server, and a model on it."""

from collections.abc import Callable, Iterator
from typing import Any

import pytest
from openai_server import MODEL, OpenAIServer, serving

from pmd_pipeline.config.evaluate_models import OpenAIEndpointConfig
from pmd_pipeline.endpoints.endpoint import Endpoint

MakeEndpoint = Callable[..., Endpoint]


@pytest.fixture
def server() -> Iterator[OpenAIServer]:
    with serving() as running:
        yield running


@pytest.fixture
def make_endpoint(server: OpenAIServer) -> MakeEndpoint:
    """Return what makes a model on the server, with retries that do not wait."""

    def make(credentials: Any = None, **fields: Any) -> Endpoint:
        config = OpenAIEndpointConfig.model_validate(
            {
                "kind": "openai_endpoint",
                "credentials": "tests",
                "model": MODEL,
                "max_retries": 2,
                "first_wait_seconds": 1e-3,
                "timeout_seconds": 20,
                **fields,
            }
        )
        found = server.credentials() if credentials is None else credentials
        return Endpoint(name="served", config=config, credentials=found)

    return make
