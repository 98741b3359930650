"""The adapter with one of its precautions left out, so that tests can see what it is for."""

import os

from pmd_pipeline.engines import vllm_adapter
from pmd_pipeline.processes.server import serve


def break_adapter(what: str) -> None:
    if what == "stale output head":
        vllm_adapter.PolicyWorkerExtension.repack_output_head = lambda self, module: None
    elif what == "stale experts":
        vllm_adapter.PolicyWorkerExtension.repack_experts = lambda self, module: None
    elif what == "prefix cache kept":
        vllm_adapter.vllm.LLM.reset_prefix_cache = lambda self: True
    elif what == "seeds as they come":
        vllm_adapter.spaced_seed = lambda seed: seed
    else:
        raise ValueError(what)


if __name__ == "__main__":
    for precaution in os.environ["BROKEN"].split(";"):
        break_adapter(precaution)
    serve(vllm_adapter.VllmAdapter)
