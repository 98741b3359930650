"""All of this package's calls to vLLM. Runs in a separate process, see VllmEngine.

vLLM disables ``torch.set_num_threads``, reseeds torch's generator, and inspects every loaded
module, which fails for Flask's: none of this may reach the pipeline's process.
"""

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
import vllm
from safetensors import safe_open
from vllm.model_executor.layers.vocab_parallel_embedding import VocabParallelEmbedding
from vllm.platforms import current_platform

from pmd_pipeline.cluster.facts import NodeFacts, own_facts
from pmd_pipeline.config.compute import Precision
from pmd_pipeline.config.engines import VllmEngineConfig
from pmd_pipeline.config.sampling import SamplingConfig
from pmd_pipeline.engines.probe import NUM_PROBE_TOKENS
from pmd_pipeline.processes.server import Report, serve
from pmd_pipeline.records import Completion

CPU_KV_CACHE_GIB = 1.0


class VllmAdapter:
    """One copy of the model in vLLM."""

    def start(self, folder: Path, config: VllmEngineConfig, precision: Precision) -> None:
        """Load the model of a folder; takes seconds to minutes."""
        on_cpu = current_platform.is_cpu()
        kv_cache_gib = config.kv_cache_gib or (CPU_KV_CACHE_GIB if on_cpu else None)
        self._can_sleep = config.sleep_between_uses and not on_cpu
        self._is_asleep = False
        self._model = vllm.LLM(
            model=str(folder),
            dtype=precision,  # vLLM's own choice for float32 weights would be float16
            tensor_parallel_size=config.tensor_parallel_size,
            gpu_memory_utilization=config.gpu_memory_utilization,
            kv_cache_memory_bytes=None if kv_cache_gib is None else int(kv_cache_gib * 2**30),
            max_model_len=config.max_model_len or -1,
            enforce_eager=on_cpu if config.enforce_eager == "auto" else config.enforce_eager,
            enable_prefix_caching=config.enable_prefix_caching,
            # On a CPU a seeded request fails if its prompt is read in several parts.
            enable_chunked_prefill=False if on_cpu else None,
            enable_sleep_mode=self._can_sleep,
            logprobs_mode="processed_logprobs",  # of the distribution that is drawn from
            skip_tokenizer_init=True,  # tokens in, tokens out
            generation_config="vllm",  # no sampling default of the model's folder
            worker_extension_cls=f"{_MODULE}.PolicyWorkerExtension",
            **({} if config.max_num_seqs is None else {"max_num_seqs": config.max_num_seqs}),
        )

    def facts(self, node: str) -> NodeFacts:
        """Return what the bits of its results depend on."""
        return own_facts(node)

    def max_model_len(self) -> int:
        """Return the longest prompt and response together."""
        return int(self._model.llm_engine.model_config.max_model_len)

    def load_weights(self, folder: Path) -> None:
        """Load the weights of a folder in place of the current ones; drop what those computed."""
        # The cache takes its memory last: while weights load, the trainer may need the room.
        if self._is_asleep:
            self._model.wake_up(tags=["weights"])
        self._model.collective_rpc("load_policy_weights", args=(str(folder),))
        if self._is_asleep:
            self._model.wake_up(tags=["kv_cache"])
            self._is_asleep = False
        if not self._model.reset_prefix_cache():
            raise RuntimeError("the prefix cache could not be reset: requests are still running")

    def sleep(self) -> None:
        """Free the GPU's memory; weights must be loaded again before the next use."""
        if self._can_sleep and not self._is_asleep:
            self._model.sleep(level=2)  # weights are sent again before the next use
            self._is_asleep = True

    def generate(
        self,
        prompts: Sequence[Sequence[int]],
        seeds: Sequence[int],
        num_samples: int,
        sampling: SamplingConfig,
        stop_token_ids: Sequence[int],
        report: Report,
    ) -> None:
        """Report each prompt's position and ``num_samples`` responses as soon as they finish."""
        parameters = [
            vllm.SamplingParams(
                n=num_samples,
                temperature=sampling.temperature,
                top_p=sampling.top_p,
                top_k=sampling.top_k,
                max_tokens=sampling.max_new_tokens,
                seed=spaced_seed(seed),
                stop_token_ids=list(stop_token_ids),
                logprobs=0,  # the sampled token's alone
                flat_logprobs=True,
                detokenize=False,
            )
            for seed in seeds
        ]

        requests = self._model.enqueue(_token_prompts(prompts), parameters, use_tqdm=False)
        # Outputs have their request's own number; the one that vLLM returned may have a suffix.
        positions = {name.partition("-")[0]: position for position, name in enumerate(requests)}
        engine = self._model.llm_engine
        while engine.has_unfinished_requests():
            for output in engine.step():
                if output.finished:
                    group = [_completion(sample) for sample in output.outputs]
                    report((positions[output.request_id], group))

    def score(self, prompts: Sequence[Sequence[int]]) -> list[tuple[list[int], np.ndarray]]:
        """Return each prompt with a few sampled tokens, and the log-probs of all but its first."""
        parameters = vllm.SamplingParams(
            temperature=1.0,
            max_tokens=NUM_PROBE_TOKENS,
            seed=0,
            logprobs=0,
            prompt_logprobs=0,
            flat_logprobs=True,
            detokenize=False,
        )
        outputs = self._model.generate(_token_prompts(prompts), parameters, use_tqdm=False)
        scored = []
        for prompt, output in zip(prompts, outputs, strict=True):
            (sample,) = output.outputs
            log_probs = [*output.prompt_logprobs.logprobs, *sample.logprobs.logprobs]
            scored.append(([*prompt, *sample.token_ids], np.array(log_probs, dtype=np.float32)))
        return scored


class PolicyWorkerExtension:
    """Mixed into each of vLLM's workers, which has the attribute ``model_runner``."""

    model_runner: Any

    def load_policy_weights(self, folder: str) -> None:
        """Load the safetensors files of a folder in place."""
        self.model_runner.reload_weights(weights_iterator=_stored_tensors(Path(folder)))
        if current_platform.is_cpu():
            for module in self.model_runner.get_model().modules():
                self.repack_output_head(module)
                self.repack_experts(module)

    def repack_output_head(self, module: torch.nn.Module) -> None:
        """Give an output head that is tied to the embedding the new weights too.

        On a CPU it computes with a packed copy, which reloading does not update.
        """
        if isinstance(module, VocabParallelEmbedding):
            module.quant_method.process_weights_after_loading(module)

    def repack_experts(self, module: torch.nn.Module) -> None:
        """Convert a mixture's experts to the layout in which they are computed.

        On a CPU that is a packed layout, which reloading fills with weights that are not packed.
        """
        kernel = getattr(getattr(module, "quant_method", None), "moe_kernel", None)
        if kernel is not None:
            kernel.fused_experts.process_weights_after_loading(module)


def spaced_seed(seed: int) -> int:
    """Return a seed far from that of ``seed + 1``.

    vLLM gives sample j of a request the seed ``seed + j``: neighbouring seeds would share samples.
    """
    return int(np.random.SeedSequence(seed).generate_state(1, dtype=np.uint64)[0] >> 1)


def _token_prompts(prompts: Sequence[Sequence[int]]) -> list[vllm.TokensPrompt]:
    return [vllm.TokensPrompt(prompt_token_ids=list(prompt)) for prompt in prompts]


def _completion(sample: Any) -> Completion:
    return Completion(
        token_ids=tuple(sample.token_ids),
        log_probs=np.array(sample.logprobs.logprobs, dtype=np.float32),
        truncated=sample.finish_reason == "length",
    )


def _stored_tensors(folder: Path) -> Iterator[tuple[str, torch.Tensor]]:
    for path in sorted(folder.glob("*.safetensors")):
        with safe_open(path, framework="pt") as file:
            for name in file.keys():  # noqa: SIM118 - it is no mapping
                yield name, file.get_tensor(name)


_MODULE = "pmd_pipeline.engines.vllm_adapter"  # __name__ is __main__ where it serves

if __name__ == "__main__":
    serve(VllmAdapter)
