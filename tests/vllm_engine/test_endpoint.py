"""`vllm serve` is asked as any other server, and samples as the engines do."""

import json
import os
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from vllm_helpers import make_tied_policy

from pmd_pipeline.config.data_preparation import DataPreparationConfig
from pmd_pipeline.config.engines import TransformersEngineConfig
from pmd_pipeline.config.evaluate_models import OpenAIEndpointConfig
from pmd_pipeline.config.evaluation import EvaluationConfig
from pmd_pipeline.datasets.models import no_responses
from pmd_pipeline.endpoints.endpoint import Endpoint
from pmd_pipeline.endpoints.errors import EndpointError
from pmd_pipeline.engines.transformers_engine import TransformersEngine
from pmd_pipeline.problems.prompts import table_to_prompts, with_prompts
from pmd_pipeline.problems.tables import problems_to_table
from pmd_pipeline.records import Problem

pytestmark = [pytest.mark.vllm, pytest.mark.slow]

KEY = "sk-of-the-tests"
PROBLEMS = problems_to_table(
    Problem(problem_id=f"p{i}", problem=f"{i}+{i}", answer=str(2 * i), source="set", split="eval")
    for i in range(6)
)
DATA = DataPreparationConfig.model_validate(
    {
        "train": {"kind": "generated_addition", "num_problems": 1},
        "evals": {"set": {"kind": "generated_addition", "num_problems": 6}},
        "prompt_template": "embedded",
        "max_prompt_tokens": 100,
    }
)


@dataclass(frozen=True)
class Served:
    """A running `vllm serve`."""

    folder: Path
    base_url: str

    def endpoint(self, api_key: str = KEY, **fields: Any) -> Endpoint:
        config = OpenAIEndpointConfig.model_validate(
            {"kind": "openai_endpoint", "credentials": "tests", "model": "small", **fields}
        )
        credentials = {"base_url": self.base_url, "api_key": api_key}
        return Endpoint(name="served", config=config, credentials=credentials)


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    folder = tmp_path_factory.mktemp("served") / "model"
    policy = make_tied_policy()
    policy.tokenizer.chat_template = "{{ bos_token }}{{ messages[-1]['content'] }}"
    policy.model.save_pretrained(folder)
    policy.tokenizer.save_pretrained(folder)
    # What a server would apply to whoever does not say otherwise: always the likeliest token.
    settings = {"top_k": 1, "eos_token_id": 2, "bos_token_id": 1, "pad_token_id": 0}
    (folder / "generation_config.json").write_text(json.dumps(settings))
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    log = folder.parent / "server.log"
    with log.open("w") as file:
        process = subprocess.Popen(
            [
                # What `vllm serve` starts; that command looks for a package that the CPU build has
                # under another name.
                *(sys.executable, "-m", "vllm.entrypoints.openai.api_server"),
                *("--model", str(folder)),
                *("--host", "127.0.0.1", "--port", str(port), "--api-key", KEY),
                *("--served-model-name", "small", "--dtype", "float32", "--max-model-len", "128"),
                *("--enforce-eager", "--max-num-seqs", "16"),
            ],
            stdout=file,
            stderr=subprocess.STDOUT,
            env={**os.environ, "VLLM_CPU_KVCACHE_SPACE": "1", "DO_NOT_TRACK": "1"},
            start_new_session=True,
        )
    running = Served(folder, f"http://127.0.0.1:{port}/v1")
    try:
        for _ in range(240):
            assert process.poll() is None, log.read_text()[-3000:]
            try:
                running.endpoint().check()
                break
            except EndpointError:
                time.sleep(1)
        yield running
    finally:
        process.terminate()
        process.wait(timeout=60)


def evaluation_with(top_k: int) -> EvaluationConfig:
    sampling = {"max_new_tokens": 20, "top_k": top_k}
    return EvaluationConfig.model_validate({"num_samples": 2, "sampling": sampling})


def asked(endpoint: Endpoint, *, top_k: int, seed: int = 0) -> pd.DataFrame:
    evaluation = evaluation_with(top_k)
    tables = endpoint.responses(
        PROBLEMS, no_responses(), data=DATA, evaluation=evaluation, seed=seed
    )
    table = pd.concat([no_responses(), *tables]).sort_values(["problem_id", "sample_index"])
    return table.reset_index(drop=True)


def test_token_ids_give_what_an_engine_samples(served: Served) -> None:
    """Where one token is left to choose from, random numbers decide nothing."""
    endpoint = served.endpoint(api="completions", tokenizer={"path": str(served.folder)})
    responses = asked(endpoint, top_k=1)
    policy = make_tied_policy()
    engine = TransformersEngine(TransformersEngineConfig())
    prompts = table_to_prompts(with_prompts(PROBLEMS, policy.tokenizer, DATA), policy.tokenizer)
    groups = engine.generate(
        [prompt.token_ids for prompt in prompts],
        version=engine.publish(policy),
        num_samples=2,
        sampling=evaluation_with(top_k=1).sampling,
        seeds=list(range(len(prompts))),
    )
    sampled = [completion for group in groups for completion in group]
    texts = policy.tokenizer.batch_decode(
        [list(completion.token_ids) for completion in sampled], skip_special_tokens=True
    )
    assert responses["response"].tolist() == texts
    assert responses["num_tokens"].tolist() == [len(c.token_ids) for c in sampled]
    assert responses["truncated"].tolist() == [c.truncated for c in sampled]


def test_the_models_own_settings_do_not_hold_and_seeds_do(served: Served) -> None:
    endpoint = served.endpoint(api="chat")
    first, again = (asked(endpoint, top_k=0)["response"].tolist() for _ in range(2))
    other = asked(endpoint, top_k=0, seed=1)["response"].tolist()
    assert first == again
    assert first != other
    assert any(first[i] != first[i + 1] for i in range(0, len(first), 2))


def test_a_wrong_key_is_said(served: Served) -> None:
    with pytest.raises(EndpointError, match="status 401"):
        served.endpoint(api_key="sk-wrong").check()
