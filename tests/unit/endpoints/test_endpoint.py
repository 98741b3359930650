"""A model on a server is asked for what is missing, and failures that pass are lived through."""

import threading
from collections.abc import Callable
from typing import Any

import pandas as pd
import pytest
from openai_server import KEY, MODEL, OpenAIServer

from pmd_pipeline.config.data_preparation import DataPreparationConfig
from pmd_pipeline.config.evaluate_models import EvaluateModelsConfig
from pmd_pipeline.config.evaluation import EvaluationConfig
from pmd_pipeline.datasets.models import no_responses
from pmd_pipeline.endpoints.address import EndpointAddress
from pmd_pipeline.endpoints.endpoint import Endpoint
from pmd_pipeline.endpoints.errors import EndpointError
from pmd_pipeline.preflight.models import check_models
from pmd_pipeline.problems.tables import problems_to_table
from pmd_pipeline.records import Problem

MakeEndpoint = Callable[..., Endpoint]
PROBLEMS = problems_to_table(
    Problem(problem_id=f"p{i}", problem=f"{i}+1", answer=str(i + 1), source="set", split="eval")
    for i in range(4)
)
DATA = DataPreparationConfig.model_validate(
    {
        "train": {"kind": "generated_addition", "num_problems": 1},
        "evals": {"set": {"kind": "generated_addition", "num_problems": 4}},
        "prompt_template": "boxed",
        "max_prompt_tokens": 100,
    }
)
EVALUATION = EvaluationConfig.model_validate({"num_samples": 2, "sampling": {"max_new_tokens": 9}})


def asked(
    endpoint: Endpoint,
    former: pd.DataFrame | None = None,
    *,
    problems: pd.DataFrame = PROBLEMS,
    data: DataPreparationConfig = DATA,
) -> pd.DataFrame:
    tables = endpoint.responses(
        problems,
        no_responses() if former is None else former,
        data=data,
        evaluation=EVALUATION,
        seed=0,
    )
    return pd.concat([no_responses(), *tables]).sort_values(["problem_id", "sample_index"])


def test_each_response_is_asked_for_once_with_a_seed_of_its_own(
    server: OpenAIServer, make_endpoint: MakeEndpoint
) -> None:
    responses = asked(make_endpoint())
    keys = list(zip(responses["problem_id"], responses["sample_index"], strict=True))
    assert keys == [(f"p{i}", k) for i in range(4) for k in range(2)]
    assert len({body["seed"] for body in server.bodies}) == len(server.bodies) == 8
    first = next(b for b in server.bodies if b["messages"][1]["content"] == "0+1")
    assert first["messages"][0]["role"] == "system"
    del first["messages"], first["seed"]
    assert first == {"model": MODEL, "max_tokens": 9, "temperature": 1.0, "top_p": 1.0}
    assert set(responses["served_model"]) == {MODEL}
    assert set(responses["fingerprint"]) == {"fp_tests"}
    assert asked(make_endpoint()).reset_index(drop=True).equals(responses.reset_index(drop=True))


def test_only_what_is_missing_is_asked_for(
    server: OpenAIServer, make_endpoint: MakeEndpoint
) -> None:
    all_of_them = asked(make_endpoint())
    server.bodies.clear()
    asked(make_endpoint(), all_of_them.iloc[:5])
    assert sorted(body["messages"][1]["content"] for body in server.bodies) == ["2+1", "3+1", "3+1"]


def test_failures_that_pass_are_retried(server: OpenAIServer, make_endpoint: MakeEndpoint) -> None:
    failures = {
        0: (429, {"Retry-After": "0"}, "slow down"),
        1: (500, {}, "broken"),
        3: (503, {"Retry-After": "Wed, 21 Oct 2015 07:28:00 GMT"}, "loading"),
        5: (0, {}, ""),
    }
    server.fail = lambda number, body: failures.get(number)
    assert len(asked(make_endpoint(concurrency=1))) == 8
    assert len(server.bodies) == 12


def test_what_goes_on_failing_ends_after_the_retries_and_shows_no_secret(
    server: OpenAIServer, make_endpoint: MakeEndpoint
) -> None:
    server.fail = lambda number, body: (500, {}, f"echo {KEY}")
    with pytest.raises(EndpointError, match="3 tries were made") as caught:
        asked(make_endpoint(concurrency=1))
    assert len(server.bodies) == 3
    message = str(caught.value)
    assert "status 500: echo [hidden]" in message
    assert KEY not in message


def test_a_refused_request_is_not_repeated_and_what_was_answered_is_kept(
    server: OpenAIServer, make_endpoint: MakeEndpoint
) -> None:
    server.fail = lambda number, body: (400, {}, "unknown field: seed") if number == 5 else None
    kept = []
    with pytest.raises(EndpointError, match=r"unknown field: seed; .*served\.body: \{name") as _:
        kept.extend(
            make_endpoint(concurrency=1).responses(
                PROBLEMS, no_responses(), data=DATA, evaluation=EVALUATION, seed=0
            )
        )
    assert len(server.bodies) == 6
    assert sum(map(len, kept)) == 5


def test_requests_are_under_way_at_the_same_time(
    server: OpenAIServer, make_endpoint: MakeEndpoint
) -> None:
    """Nobody is answered before eight have asked."""
    server.meet = threading.Barrier(8)
    assert len(asked(make_endpoint(concurrency=8))) == 8


def test_vllm_takes_nothing_from_the_models_generation_config(
    server: OpenAIServer, make_endpoint: MakeEndpoint
) -> None:
    server.owned_by = "vllm"
    asked(make_endpoint(body={"seed": None, "min_tokens": 2}))
    body = server.bodies[0]
    assert (body["top_k"], body["min_p"], body["repetition_penalty"]) == (0, 0.0, 1.0)
    assert body["chat_template_kwargs"] == {"enable_thinking": False}
    assert body["min_tokens"] == 2
    assert "seed" not in body


def test_prompts_are_sent_as_plain_text_where_that_is_asked_for(
    server: OpenAIServer, make_endpoint: MakeEndpoint
) -> None:
    asked(make_endpoint(api="completions", concurrency=1))
    assert server.bodies[0]["prompt"].endswith("\n\n0+1")


def test_chat_turns_go_as_they_are_and_have_no_plain_text(
    server: OpenAIServer, make_endpoint: MakeEndpoint
) -> None:
    turns = [{"role": "system", "content": "Be kind."}, {"role": "user", "content": "1+1"}]
    chat = Problem(problem_id="c", problem="1+1", answer="2", source="set", turns=tuple(turns))
    asked(make_endpoint(), problems=problems_to_table([chat]))
    assert server.bodies[0]["messages"] == turns
    with pytest.raises(EndpointError, match=r"models\.served: problems that are given as chat"):
        asked(make_endpoint(api="completions"), problems=problems_to_table([chat]))


def test_a_begun_answer_cannot_be_sent_as_a_chat(make_endpoint: MakeEndpoint) -> None:
    template = {"user": "{problem}", "assistant": "Let me see:"}
    begun = DATA.model_validate({**DATA.model_dump(), "prompt_template": template})
    with pytest.raises(EndpointError, match="which OpenAI's chat interface has no place for"):
        asked(make_endpoint(), data=begun)


@pytest.mark.parametrize(
    ("credentials", "fields", "message"),
    [
        ({"base_url": "http://127.0.0.1:9/v1"}, {}, "no server answers at http://127.0.0.1:9/v1"),
        ({}, {"model": "other"}, "has no model 'other'; it has 'served-model' and 'another'"),
        ({"api_key": "sk-wrong"}, {}, r"status 401: wrong key: Bearer \[hidden\]; give the"),
        ({"api_key": None}, {}, "give the server's api_key in the entry 'tests'"),
        ({"base_url": "localhost:8000"}, {}, "base_url of the entry 'tests' of the credentials is"),
        ({"base_url": "https://me:word@host/v1"}, {}, "holds more than an address"),
        ({"key": "x"}, {}, r"has the unknown keys \['key'\]; it takes \['base_url', 'api_key'\]"),
    ],
)
def test_what_cannot_work_is_said_before_anything_is_asked(
    server: OpenAIServer,
    make_endpoint: MakeEndpoint,
    credentials: dict[str, Any],
    fields: dict[str, Any],
    message: str,
) -> None:
    endpoint = make_endpoint({**server.credentials(), **credentials}, **fields)
    with pytest.raises(EndpointError, match=message) as caught:
        endpoint.check()
    assert str(caught.value).startswith("evaluate_models.models.served")


def test_the_preflight_asks_servers_and_a_training_can_do_without_them(
    server: OpenAIServer, make_endpoint: MakeEndpoint
) -> None:
    served = make_endpoint().config.model_dump()
    models = {"good": served, "unknown": {**served, "credentials": "other"}}
    good, unknown = check_models(
        EvaluateModelsConfig.model_validate({"models": models}), {"tests": server.credentials()}
    )
    assert (good.verdict, good.value) == ("ok", f"{server.base_url}: has {MODEL}")
    assert unknown.verdict == "warning"
    assert "the entry 'other' of the credentials is missing" in unknown.remedy


def test_missing_credentials_say_what_to_write() -> None:
    with pytest.raises(EndpointError, match=r"is missing; add it, as in conf/local/credentials"):
        EndpointAddress.of(None, entry="mine")


def test_no_secret_shows_where_an_endpoint_is_printed(make_endpoint: MakeEndpoint) -> None:
    endpoint = make_endpoint()
    assert KEY not in f"{endpoint!r} {endpoint.address()!r}"
