"""The contenders of ``rollout_engines.py``; each runs in a separate process.

Run as a module, this is such a process: it answers calls of one :class:`Contest`.
"""

import os
import tempfile
import time
from typing import Protocol

import psutil
import torch
from engine_work import Timing, Workload, policy_for

from pmd_pipeline.config.engines import TransformersEngineConfig, VllmEngineConfig
from pmd_pipeline.config.sampling import SamplingConfig
from pmd_pipeline.engines.base import RolloutEngine
from pmd_pipeline.engines.transformers_engine import TransformersEngine
from pmd_pipeline.engines.vllm_engine import VllmEngine
from pmd_pipeline.policies.policy import Policy
from pmd_pipeline.processes.server import serve


class Contender(Protocol):
    """One way to sample responses."""

    name: str

    def start(self, policy: Policy) -> None:
        """Load the policy; not timed."""

    def run(self, work: Workload, seed: int) -> list[int]:
        """Sample all responses and return their lengths; seeds differ from prompt to prompt."""


class Generate:
    """``generate`` of transformers: no log-probs, and finished rows stay until the end."""

    name = "generate"

    def start(self, policy: Policy) -> None:
        self._model = policy.model

    @torch.no_grad()
    def run(self, work: Workload, seed: int) -> list[int]:
        width = max(map(len, work.prompts))
        padded = [[0] * (width - len(prompt)) + list(prompt) for prompt in work.prompts]
        mask = [[0] * (width - len(prompt)) + [1] * len(prompt) for prompt in work.prompts]
        torch.manual_seed(seed)
        output = self._model.generate(
            torch.tensor(padded),
            attention_mask=torch.tensor(mask),
            do_sample=True,
            temperature=1.0,
            top_k=0,
            top_p=1.0,
            num_return_sequences=work.num_samples,
            max_new_tokens=work.max_new_tokens,
            eos_token_id=list(work.stop_token_ids) or None,
            pad_token_id=0,
        )[:, width:]
        return [_length(row, set(work.stop_token_ids)) for row in output.tolist()]


class OurEngine:
    """One of this package's engines, through their common interface."""

    name: str

    def _make(self) -> RolloutEngine:
        raise NotImplementedError

    def start(self, policy: Policy) -> None:
        self._policy = policy
        self._engine = self._make()

    def run(self, work: Workload, seed: int) -> list[int]:
        self._policy.model.generation_config.eos_token_id = list(work.stop_token_ids) or None
        groups = self._engine.generate(
            work.prompts,
            version=self._engine.publish(self._policy),
            num_samples=work.num_samples,
            sampling=SamplingConfig(max_new_tokens=work.max_new_tokens),
            seeds=[seed + i for i in range(len(work.prompts))],
        )
        return [len(completion.token_ids) for group in groups for completion in group]


class OurTransformersEngine(OurEngine):
    """``pmd_pipeline.engines.transformers_engine``."""

    name = "transformers engine"

    def _make(self) -> RolloutEngine:
        return TransformersEngine(TransformersEngineConfig())


class OurVllmEngine(OurEngine):
    """``pmd_pipeline.engines.vllm_engine``: vLLM in a process below this one."""

    name = "vLLM engine"

    def _make(self) -> RolloutEngine:
        return VllmEngine(VllmEngineConfig())


class RawVllm:
    """Plain ``LLM.generate``, with the settings and seeds of our engine.

    So both sample the same responses, and only their times differ.
    """

    name = "vLLM"

    def start(self, policy: Policy) -> None:
        os.environ |= {"VLLM_CPU_OMP_THREADS_BIND": "nobind", "VLLM_NO_USAGE_STATS": "1"}
        os.environ["VLLM_ENABLE_V1_MULTIPROCESSING"] = "0"  # alone in its process already
        import vllm

        with tempfile.TemporaryDirectory() as folder:
            policy.model.save_pretrained(folder)
            self._model = vllm.LLM(
                model=folder,
                dtype="float32",
                kv_cache_memory_bytes=2**30,
                enforce_eager=True,
                logprobs_mode="processed_logprobs",
                skip_tokenizer_init=True,
                generation_config="vllm",
                enable_chunked_prefill=False,  # with seeds, part of a prompt fails on a CPU
            )

    def _seed(self, seed: int) -> int | None:
        from pmd_pipeline.engines.vllm_adapter import spaced_seed

        return spaced_seed(seed)

    def run(self, work: Workload, seed: int) -> list[int]:
        import vllm

        outputs = self._model.generate(
            [vllm.TokensPrompt(prompt_token_ids=list(prompt)) for prompt in work.prompts],
            [
                vllm.SamplingParams(
                    n=work.num_samples,
                    temperature=1.0,
                    max_tokens=work.max_new_tokens,
                    seed=self._seed(seed + i),
                    stop_token_ids=list(work.stop_token_ids),
                    logprobs=0,
                    flat_logprobs=True,
                    detokenize=False,
                )
                for i in range(len(work.prompts))
            ],
            use_tqdm=False,
        )
        return [len(sample.token_ids) for output in outputs for sample in output.outputs]


class UnseededRawVllm(RawVllm):
    """The same without seeds: responses are not reproducible, which costs vLLM less."""

    name = "vLLM, no seeds"

    def _seed(self, seed: int) -> int | None:
        return None


CONTENDERS: dict[str, type[Contender]] = {
    contender.name: contender
    for contender in (Generate, OurTransformersEngine, RawVllm, UnseededRawVllm, OurVllmEngine)
}


class Contest:
    """What the benchmark calls in a contender's process."""

    def start(self, contender: str, model_name: str, num_threads: int) -> int:
        """Load the model; return how many threads torch really uses."""
        torch.set_num_threads(num_threads)
        self._contender = CONTENDERS[contender]()
        self._contender.start(policy_for(model_name))
        return torch.get_num_threads()

    def run(self, work: Workload, seed: int) -> Timing:
        """Time the contender once."""
        cpu_before, before = _cpu_seconds(), time.perf_counter()
        lengths = self._contender.run(work, seed)
        seconds = time.perf_counter() - before
        return Timing(
            seconds=seconds,
            cpu_seconds=_cpu_seconds() - cpu_before,
            lengths=tuple(lengths),
        )


def _cpu_seconds() -> float:
    this = psutil.Process()
    times = [process.cpu_times() for process in (this, *this.children(recursive=True))]
    return sum(t.user + t.system for t in times)


def _length(token_ids: list[int], stops: set[int]) -> int:
    ends = (position + 1 for position, token in enumerate(token_ids) if token in stops)
    return next(ends, len(token_ids))


if __name__ == "__main__":
    serve(Contest)
