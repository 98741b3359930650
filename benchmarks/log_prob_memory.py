"""Peak memory and time of log-probs through the output head, forward and backward.

    python benchmarks/log_prob_memory.py --num-tokens 4096 --vocabulary-size 151936

Three methods, each in a separate process, on the same numbers:

- naive: logits of all tokens, float32 log-softmax, the usual first implementation;
- checkpoint: chunks under ``torch.utils.checkpoint``;
- own: ``pmd_pipeline.policies.output_head``, which the trainer uses.

The peak is what the pass adds to the memory of its inputs: of the process (resident set) on a CPU,
of torch's allocator on a GPU. It includes the gradient of the head's weights for all three. Seconds
are wall time on a GPU and processor time on a CPU. The largest difference from the first method is
divided by the largest value, in float32; most of it is the naive method's own error.
"""

import argparse
import json
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import psutil
import torch
from torch import Tensor, nn
from torch.utils.checkpoint import checkpoint

from pmd_pipeline.policies.output_head import LOGITS_PER_CHUNK, head_log_probs

TEMPERATURE = 0.8


def main() -> None:
    """Measure each method in a child process and print a row for each, relative to the first."""
    arguments = _arguments()
    if arguments.child is not None:
        _child(arguments)
        return
    with tempfile.TemporaryDirectory() as folder:
        results = {name: _measure_in_child(name, folder) for name in arguments.ways}
        reference = torch.load(Path(folder) / f"{arguments.ways[0]}.pt")
        for name, result in results.items():
            tensors = torch.load(Path(folder) / f"{name}.pt")
            result["difference"] = max(
                float((tensors[key] - reference[key]).abs().max() / reference[key].abs().max())
                for key in reference
            )
    if arguments.json:
        print(json.dumps(results))
        return
    first = results[arguments.ways[0]]
    print(
        f"{'way':<12}{'peak MiB':>10}{'of first':>10}{'seconds':>10}{'of first':>10}{'differs':>10}"
    )
    for name, result in results.items():
        print(
            f"{name:<12}{result['peak_bytes'] / 2**20:>10,.0f}"
            f"{result['peak_bytes'] / first['peak_bytes']:>10.3f}{result['seconds']:>10.2f}"
            f"{result['seconds'] / first['seconds']:>10.2f}{result['difference']:>10.1e}"
        )


def naive(head: nn.Module, hidden: Tensor, targets: Tensor, _: int) -> tuple[Tensor, Tensor]:
    """Return log-probs and entropies with all logits in memory."""
    log_softmax = (head(hidden).float() / TEMPERATURE).log_softmax(dim=-1)
    with torch.no_grad():
        entropy = -(log_softmax.exp() * log_softmax).sum(dim=-1)
    return log_softmax.gather(-1, targets[:, None]).squeeze(-1), entropy


def checkpointed(
    head: nn.Module, hidden: Tensor, targets: Tensor, logits_per_chunk: int
) -> tuple[Tensor, Tensor]:
    """Return the same by chunks whose logits are recomputed in the backward pass."""
    chunk = max(1, logits_per_chunk // head.weight.shape[0])
    parts = [
        checkpoint(naive, head, rows, row_targets, 0, use_reentrant=False)
        for rows, row_targets in zip(hidden.split(chunk), targets.split(chunk), strict=True)
    ]
    log_probs, entropies = zip(*parts, strict=True)
    return torch.cat(log_probs), torch.cat(entropies)


def own(
    head: nn.Module, hidden: Tensor, targets: Tensor, logits_per_chunk: int
) -> tuple[Tensor, Tensor]:
    """Return the same with the trainer's own function."""
    log_probs, entropy = head_log_probs(
        head,
        hidden,
        targets,
        temperature=TEMPERATURE,
        with_entropy=True,
        logits_per_chunk=logits_per_chunk,
    )
    assert entropy is not None
    return log_probs, entropy


Way = Callable[[nn.Module, Tensor, Tensor, int], tuple[Tensor, Tensor]]
WAYS: dict[str, Way] = {"naive": naive, "checkpoint": checkpointed, "own": own}


def _measure_in_child(name: str, folder: str) -> dict[str, float]:
    output = subprocess.run(
        [sys.executable, __file__, *sys.argv[1:], "--child", name, "--folder", folder],
        check=True,
        stdout=subprocess.PIPE,
        text=True,
    ).stdout
    result: dict[str, float] = json.loads(output)
    return result


def _child(arguments: argparse.Namespace) -> None:
    """Run one method; print its peak and time, and save its values and gradients to the folder."""
    torch.set_num_threads(arguments.num_threads)
    torch.manual_seed(0)
    device = torch.device(arguments.device)
    head = nn.Linear(arguments.hidden_size, arguments.vocabulary_size, bias=False).to(device)
    shape = (arguments.num_tokens, arguments.hidden_size)
    hidden = (4 * torch.randn(shape)).to(device).requires_grad_()
    targets = torch.randint(arguments.vocabulary_size, shape[:1]).to(device)
    weights = torch.randn(arguments.num_tokens).to(device)

    def run(num_tokens: int) -> tuple[Tensor, Tensor]:
        with torch.autocast(device.type, torch.bfloat16, enabled=arguments.bfloat16):
            log_probs, entropy = WAYS[arguments.child](
                head, hidden[:num_tokens], targets[:num_tokens], arguments.logits_per_chunk
            )
        (log_probs * weights[:num_tokens]).sum().backward()
        return log_probs.detach(), entropy

    run(2)  # libraries set up their threads and workspaces
    head.weight.grad = hidden.grad = None
    before = _memory_now(device)
    started = _seconds(device)
    log_probs, entropy = run(arguments.num_tokens)
    peak = _memory_peak(device)
    seconds = _seconds(device) - started
    tensors = {"log_probs": log_probs, "entropy": entropy, "hidden": hidden.grad}
    tensors["weight"] = head.weight.grad
    torch.save({k: v.cpu() for k, v in tensors.items()}, f"{arguments.folder}/{arguments.child}.pt")
    print(json.dumps({"peak_bytes": peak - before, "seconds": seconds}))


def _seconds(device: torch.device) -> float:
    """Return wall time for a GPU, processor time for a CPU, which other programs disturb less."""
    return time.perf_counter() if device.type == "cuda" else time.process_time()


def _memory_now(device: torch.device) -> int:
    if device.type == "cuda":
        torch.cuda.synchronize()
        torch.cuda.reset_peak_memory_stats()
        return torch.cuda.memory_allocated()
    if sys.platform == "linux":
        Path("/proc/self/clear_refs").write_text("5")  # the peak counts from now on
    return int(psutil.Process().memory_info().rss)


def _memory_peak(device: torch.device) -> int:
    if device.type == "cuda":
        torch.cuda.synchronize()
        return torch.cuda.max_memory_allocated()
    if sys.platform == "linux":
        status = Path("/proc/self/status").read_text()
        return int(status.split("VmHWM:")[1].split()[0]) * 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss  # bytes on macOS; since the start


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--num-tokens", type=int, default=4096)
    parser.add_argument("--vocabulary-size", type=int, default=151_936)
    parser.add_argument("--hidden-size", type=int, default=896)
    parser.add_argument("--logits-per-chunk", type=int, default=LOGITS_PER_CHUNK)
    parser.add_argument("--device", default="cuda" if torch.cuda.is_available() else "cpu")
    parser.add_argument("--num-threads", type=int, default=torch.get_num_threads())
    parser.add_argument("--bfloat16", action="store_true", help="products under autocast")
    parser.add_argument("--ways", nargs="+", choices=list(WAYS), default=list(WAYS))
    parser.add_argument("--json", action="store_true", help="print all numbers as JSON")
    parser.add_argument("--child", choices=list(WAYS), help=argparse.SUPPRESS)
    parser.add_argument("--folder", help=argparse.SUPPRESS)
    return parser.parse_args()


if __name__ == "__main__":
    main()
