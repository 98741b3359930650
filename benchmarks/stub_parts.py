"""An engine and a trainer that answer with random numbers, and a meter of all the rest."""

import sys
import time
from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from functools import wraps
from typing import Any

import numpy as np
import torch
from tokenizers import Regex, Tokenizer
from tokenizers.decoders import Fuse
from tokenizers.models import WordLevel
from tokenizers.pre_tokenizers import Split
from torch import Tensor
from transformers import PreTrainedTokenizerFast

from pmd_pipeline.engines.base import RolloutEngine
from pmd_pipeline.engines.units import Unit
from pmd_pipeline.policies.log_probs import TokenLogProbs
from pmd_pipeline.policies.policy import Policy
from pmd_pipeline.policies.vocabulary import SPECIAL_TOKENS, VOCABULARY
from pmd_pipeline.records import Completion
from pmd_pipeline.rollouts.batch import RolloutBatch
from pmd_pipeline.training.update import TrainingBatch, UpdateResult

# As of a large model: some four characters per token, so that tables hold texts of a real length.
NUM_WORDS = 30_000


class Meter:
    """CPU and wall seconds of named pieces of work, each without the pieces within it.

    What runs inside :meth:`stubbed` stands for sampling and updating, and counts for nobody.
    """

    def __init__(self) -> None:
        self.cpu: defaultdict[str, float] = defaultdict(float)
        self.wall: defaultdict[str, float] = defaultdict(float)
        self.rounds: list[dict[str, tuple[float, float]]] = []
        self._stack: list[str] = ["other"]
        self._since = self._now()

    @contextmanager
    def piece(self, name: str) -> Iterator[None]:
        """Count what happens in the block for a piece of work."""
        self._count()
        self._stack.append(name)
        try:
            yield
        finally:
            self._count()
            self._stack.pop()

    def stubbed(self) -> Any:
        """Count what happens in the block for nobody."""
        return self.piece("")

    def wrap(self, owner: Any, attribute: str, name: str) -> None:
        """Count calls of a function or method for a piece of work, from now on."""
        function: Callable[..., Any] = getattr(owner, attribute)

        @wraps(function)
        def counted(*args: Any, **options: Any) -> Any:
            with self.piece(name):
                return function(*args, **options)

        setattr(owner, attribute, counted)

    def wrap_everywhere(self, function: Callable[..., Any], name: str) -> None:
        """Count calls of a function for a piece of work, whichever module has imported it."""
        for module in [m for key, m in sys.modules.items() if key.startswith("pmd_pipeline")]:
            if getattr(module, function.__name__, None) is function:
                self.wrap(module, function.__name__, name)

    def end_round(self) -> None:
        """Note the seconds of each piece since the last call."""
        self._count()
        self.rounds.append(
            {name: (self.cpu[name], self.wall[name]) for name in self.cpu if name != ""}
        )
        self.cpu.clear()
        self.wall.clear()

    def _count(self) -> None:
        now = self._now()
        self.cpu[self._stack[-1]] += now[0] - self._since[0]
        self.wall[self._stack[-1]] += now[1] - self._since[1]
        self._since = now

    @staticmethod
    def _now() -> tuple[float, float]:
        return time.process_time(), time.perf_counter()


class StubEngine(RolloutEngine):
    """Samples random words that end in a boxed digit, all of one length."""

    runs_policy_model = True

    def __init__(self, meter: Meter, num_tokens: int) -> None:
        self._meter = meter
        self._num_tokens = num_tokens
        self._num_known = len(VOCABULARY)

    def publish(self, policy: Policy) -> int:
        """Take words that the policy's tokenizer knows; the weights play no part."""
        self._num_known = len(policy.tokenizer)
        return policy.policy_version

    def submit(self, units: Sequence[Unit], version: int) -> list[Unit]:
        """Units are their own handles."""
        return list(units)

    def collect(self, handle: Unit, **_: object) -> list[list[Completion]]:
        """Return random responses; a digit is right now and then."""
        with self._meter.stubbed():
            return [
                [
                    self._completion(np.random.default_rng([seed, i]))
                    for i in range(handle.num_samples)
                ]
                for seed in handle.seeds
            ]

    def close(self) -> None:
        """Nothing to close."""

    def _completion(self, rng: np.random.Generator) -> Completion:
        first = len(VOCABULARY) if self._num_known > len(VOCABULARY) else len(SPECIAL_TOKENS)
        words = rng.integers(first, self._num_known, self._num_tokens - 4)
        digit = VOCABULARY.index(str(rng.integers(10)))
        end = (VOCABULARY.index("\\boxed{"), digit, VOCABULARY.index("}"))
        return Completion(
            token_ids=(*words.tolist(), *end, VOCABULARY.index("<eos>")),
            log_probs=-rng.random(self._num_tokens, dtype=np.float32),
            truncated=False,
        )


class StubTrainer:
    """Log-probs are random; an update changes a weight and nothing else."""

    def __init__(self, meter: Meter, policy: Policy, optimizer_state: dict[str, Tensor]) -> None:
        self._meter = meter
        self._policy = policy
        self._optimizer_state = optimizer_state

    @property
    def policy_version(self) -> int:
        """Updates so far."""
        return self._policy.policy_version

    def whole_policy(self) -> Policy:
        """Return the policy."""
        return self._policy

    def log_probs(
        self,
        batch: RolloutBatch,
        mini_batches: Sequence[Tensor] | None = None,
        *,
        with_entropy: bool = False,
    ) -> TokenLogProbs:
        """Return the sampler's log-probs with some noise."""
        with self._meter.stubbed():
            noise = 1e-3 * torch.randn_like(batch.sampler_log_probs) * batch.response_mask
            return TokenLogProbs(
                log_probs=(batch.sampler_log_probs + noise).clamp(max=0),
                entropy=noise.abs() if with_entropy else None,
            )

    def update(
        self,
        batch: TrainingBatch,
        rows: Tensor,
        *,
        learning_rate: float,
        where: str,
        keeps_log_probs: bool = False,
    ) -> UpdateResult:
        """Count an update."""
        with self._meter.stubbed():
            self._policy.policy_version += 1
            return UpdateResult(
                loss=0.1,
                gradient_norm=0.1,
                is_made=True,
                num_tokens=0,
                num_clipped=1.0,
                num_clip_units=10.0,
                log_probs=self.log_probs(batch.rollouts, with_entropy=True)
                if keeps_log_probs
                else None,
            )

    def optimizer_state(self) -> dict[str, Tensor]:
        """Return the same tensors again."""
        return self._optimizer_state

    def reset_optimizer(self) -> None:
        """Nothing to reset."""

    def close(self) -> None:
        """Nothing to close."""


def wide_tokenizer() -> PreTrainedTokenizerFast:
    """Return the embedded default's tokenizer with many words more."""
    rng = np.random.default_rng(0)
    letters = np.array(list("abcdefghijklmnopqrstuvwxyz"))
    words: set[str] = set()
    while len(words) < NUM_WORDS:
        words.add(" " + "".join(letters[rng.integers(26, size=4)]))
    vocabulary = (*VOCABULARY, *sorted(words))
    tokenizer = Tokenizer(WordLevel({token: i for i, token in enumerate(vocabulary)}))
    tokenizer.pre_tokenizer = Split(Regex(r"\\boxed\{|mod|."), behavior="isolated")
    tokenizer.decoder = Fuse()
    return PreTrainedTokenizerFast(
        tokenizer_object=tokenizer,
        pad_token="<pad>",
        bos_token="<bos>",
        eos_token="<eos>",
        clean_up_tokenization_spaces=False,
    )
