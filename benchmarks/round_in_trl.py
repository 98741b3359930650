"""TRL's side of ``round_against_trl.py``: one GRPO update for each line that is read."""

import json
import sys
import time
from pathlib import Path
from typing import Any

import torch
from datasets import Dataset
from round_work import GROUP_SIZE, LEARNING_RATE, LENGTHS, NUM_PROMPTS, read_prompts, reward_of
from transformers import AutoModelForCausalLM, PreTrainedTokenizerFast, TrainerCallback
from trl import GRPOConfig, GRPOTrainer


class OnCommand(TrainerCallback):  # type: ignore[misc]
    """Starts a round when a line is read, and writes what it took when it ends."""

    def __init__(self) -> None:
        self.num_tokens = 0
        self._started = 0.0

    def on_step_begin(self, args: Any, state: Any, control: Any, **_: Any) -> None:
        if not sys.stdin.readline():
            sys.exit()
        self.num_tokens = 0
        self._started = time.process_time()

    def on_step_end(self, args: Any, state: Any, control: Any, **_: Any) -> None:
        took = time.process_time() - self._started
        _say({"cpu_seconds": took, "num_tokens": self.num_tokens})


def main() -> None:
    """Train until standard input ends."""
    folder, lengths = Path(sys.argv[1]), sys.argv[2]
    torch.set_num_threads(1)
    prompts = read_prompts(folder)
    on_command = OnCommand()

    def reward(completions: list[str], completion_ids: list[list[int]], **_: Any) -> list[float]:
        on_command.num_tokens += sum(map(len, completion_ids))
        return [reward_of(completion) for completion in completions]

    rows = NUM_PROMPTS * GROUP_SIZE
    limit = LENGTHS[lengths]
    trainer = GRPOTrainer(
        model=AutoModelForCausalLM.from_pretrained(folder),
        processing_class=PreTrainedTokenizerFast.from_pretrained(folder),
        reward_funcs=reward,
        train_dataset=Dataset.from_dict({"prompt": prompts}),
        callbacks=[on_command],
        args=GRPOConfig(
            output_dir=str(folder / "trl"),
            per_device_train_batch_size=rows,
            gradient_accumulation_steps=1,
            num_generations=GROUP_SIZE,
            max_completion_length=limit,
            generation_kwargs={"min_new_tokens": limit} if lengths == "equal" else None,
            max_steps=len(prompts) // NUM_PROMPTS,
            learning_rate=LEARNING_RATE,
            lr_scheduler_type="constant",
            beta=0.0,
            use_cpu=True,
            bf16=False,
            gradient_checkpointing=False,
            shuffle_dataset=False,
            report_to="none",
            save_strategy="no",
            logging_strategy="no",
            disable_tqdm=True,
        ),
    )
    _say({"num_threads": torch.get_num_threads()})
    trainer.train()


def _say(message: dict[str, float]) -> None:
    # What libraries print goes to standard output too.
    print(f"#{json.dumps(message)}", flush=True)


if __name__ == "__main__":
    main()
