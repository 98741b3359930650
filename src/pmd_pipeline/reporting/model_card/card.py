"""The text of a model card: README.md of an exported policy, as the hub reads it."""

from collections.abc import Sequence

from jinja2 import Environment, PackageLoader, StrictUndefined

from pmd_pipeline.config.data_preparation import TRAIN_SET
from pmd_pipeline.config.overrides import (
    group_size_of,
    most_prompts_of,
    num_mini_batches_of,
    optimizer_of,
)
from pmd_pipeline.config.policy import PretrainedPolicyConfig
from pmd_pipeline.config.rewards import AnyRewardConfig
from pmd_pipeline.config.training import TrainingConfig
from pmd_pipeline.reporting import formatting
from pmd_pipeline.reporting.model_card import words
from pmd_pipeline.reporting.model_card.facts import CardFacts
from pmd_pipeline.reporting.model_card.metadata import metadata
from pmd_pipeline.reporting.model_card.results import result_rows

Rows = Sequence[Sequence[str]]

_ALGORITHM_NAMES = {
    "pmd_mean": "PMD-mean (policy mirror descent with the mean reward)",
    "pmd_part": "PMD-part (policy mirror descent with the log-partition)",
    "grpo": "GRPO",
    "gspo": "GSPO",
    "on_policy_gradient": "an on-policy policy gradient",
}


def model_card(facts: CardFacts) -> str:
    """Return the card: metadata for the hub, then what a reader must know.

    It states no licence, and holds no path of the machine.
    """
    environment = Environment(
        loader=PackageLoader("pmd_pipeline.reporting"),
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    environment.globals["table"] = _table
    prompt = facts.prompt
    body = environment.get_template("model_card.md.j2").render(
        name=facts.name,
        introduction=_introduction(facts),
        results=result_rows(facts),
        result_notes=_result_notes(facts),
        recipe=_recipe(facts),
        data=_data(facts),
        data_notes=_data_notes(facts),
        prompt=None
        if prompt is None
        else {"literal": repr(prompt.text), "add_special_tokens": not prompt.has_special_tokens},
        max_new_tokens=facts.experiment.evaluation.sampling.max_new_tokens,
        loading_notes=_loading_notes(facts),
        provenance=_provenance(facts),
        licences=_licences(facts),
    )
    return f"---\n{metadata(facts)}\n---\n\n{body}"


def _introduction(facts: CardFacts) -> str:
    algorithm = facts.experiment.algorithms[facts.run.algorithm]
    training = facts.experiment.training
    begun = words.initial_policy(facts.experiment.policy_initialisation.policy)
    return (
        f"A language model of {facts.num_parameters:,} parameters, trained by reinforcement "
        f"learning with {_ALGORITHM_NAMES[algorithm.kind]}. Training began with {begun}. This is "
        f"the policy of `{facts.run.algorithm}`, training seed {facts.run.seed}, after "
        f"{facts.round_index} of {formatting.counted(training.num_rounds, 'round')}, from the "
        f"experiment “{facts.experiment.reporting.title}”. {_chosen(facts)}"
    )


def _chosen(facts: CardFacts) -> str:
    choice = facts.choice
    if choice is None:
        return "It was exported by name, not chosen by its results."
    metric = formatting.metric_name(choice.metric, facts.experiment.evaluation.num_samples)
    if choice.num_candidates == 1:
        return "It was the only policy that was evaluated."
    return (
        f"Of {choice.num_candidates} policies that were evaluated, it had the highest {metric} on "
        f"{_sets(facts)}."
    )


def _sets(facts: CardFacts) -> str:
    names = formatting.listed(list(facts.chosen_by))
    return names if len(facts.chosen_by) == 1 else f"{names}, each counted once"


def _result_notes(facts: CardFacts) -> list[str]:
    evaluation = facts.experiment.evaluation
    level = formatting.percent(evaluation.interval_level)
    seeds = len(facts.experiment.training.seeds)
    notes = [
        f"In brackets: {level} intervals. Those of one policy cover other problems of the same "
        "kind."
        + (
            f" That of the mean over {seeds} training seeds covers seeds and problems: where the "
            "recipe's mean over all seeds is likely to lie. Single trainings differ by more."
            if seeds > 1
            else " With one training seed, nothing here says what another training by this "
            "recipe would score."
        ),
        f"{formatting.counted(evaluation.num_samples, 'response')} per problem, "
        f"{words.settings(evaluation.sampling)}.",
    ]
    if facts.num_rivals:
        notes.append(
            f"**This policy's numbers on {formatting.listed(list(facts.chosen_by))} are "
            f"optimistic.** It was chosen among {facts.num_rivals + 1} policies because it "
            "scored highest on these very problems, so some of its lead is luck. For a number "
            "without that, evaluate it on problems that took no part in the choice."
        )
    before = None if facts.choice is None else facts.choice.initial_score
    if facts.choice is not None and before is not None and facts.choice.score <= before:
        notes.append("**It scores no higher than the initial policy.**")
    return notes


def _recipe(facts: CardFacts) -> Rows:
    experiment, used = facts.experiment, facts.used
    training = experiment.training
    algorithm = experiment.algorithms[facts.run.algorithm]
    skipped = int(used["num_skipped_updates"])
    most = most_prompts_of(training, algorithm)
    is_refilled = most > training.prompts_per_round
    rows = [
        ("", ""),
        ("initial policy", words.initial_policy(experiment.policy_initialisation.policy)),
        ("algorithm", f"`{algorithm.kind}`: {words.settings(algorithm, exclude=('kind',))}"),
        ("rounds", f"{facts.round_index} of {training.num_rounds}"),
        (
            "rollouts",
            f"{used['num_rollouts']:,}; a round has {training.prompts_per_round} prompts x "
            f"{group_size_of(training, algorithm)}"
            + (f", and draws up to {most:,} prompts to fill it" if is_refilled else ""),
        ),
        (
            "updates",
            f"{used['num_updates']:,}; a round has {num_mini_batches_of(training, algorithm)} "
            "mini-batches"
            + (f"; {skipped} more had nothing to learn from and did not count" if skipped else ""),
        ),
        (
            "tokens",
            f"{used['num_sampled_tokens']:,} sampled, {used['num_trained_tokens']:,} trained on, "
            "prompts included",
        ),
        *_lag(training),
        ("optimizer", f"AdamW: {words.settings(optimizer_of(training, algorithm))}"),
        ("sampling of rollouts", words.settings(training.sampling)),
        ("reward", _reward(experiment.rewards)),
        (
            "seeds",
            f"experiment {experiment.seed} (problems, initial policy, evaluation), training "
            f"{facts.run.seed} (rollouts, order of prompts, mini-batches)",
        ),
    ]
    if training.lora is not None:
        rows.append(
            ("adapter", f"LoRA, merged into these weights: {words.settings(training.lora)}")
        )
    return rows


def _lag(training: TrainingConfig) -> Rows:
    if training.lag == 0:
        return []
    before = formatting.counted(training.lag, "round")
    told = (
        f"rollouts were sampled from the policy of up to {before} before (`training.lag`), in "
        f"phases of {training.rounds_per_phase}"
    )
    return [("lag", told)]


def _reward(rewards: AnyRewardConfig) -> str:
    # How it is computed is left out.
    others = ["kind", "num_workers", "on_error"]
    if rewards.overlong_buffer_tokens is None:
        others.append("overlong_penalty")
    return f"`{rewards.kind}`: {words.settings(rewards, exclude=others)}"


def _data(facts: CardFacts) -> Rows:
    data, experiment = facts.experiment.data_preparation, facts.experiment
    rows = [("set", "source", "problems kept", "of")]
    for name in data.set_names():
        counts = facts.data_report["sets"][name]
        digest = facts.source_digests.get(f"{data.key_of(name)}.path")
        use = "training" if name == TRAIN_SET else f"evaluation: {name}"
        source = words.source(data.source_of(name), seed=experiment.seed, digest=digest)
        rows.append((use, source, f"{counts['num_kept']:,}", f"{counts['num_rows_in']:,}"))
    return rows


def _data_notes(facts: CardFacts) -> list[str]:
    data = facts.experiment.data_preparation
    dropped = len(facts.data_report["decontaminated"])
    what = formatting.counted(dropped, "train problem")
    notes = [
        f"Decontamination dropped {what if dropped else 'no train problem'}: a copy of an "
        "evaluation problem is a text equal to it, or one that shares n-grams of "
        f"{data.decontamination_ngram_words} words with it. What the initial policy had seen "
        "before is not known here."
    ]
    selection = facts.experiment.rollout_generation
    low, high = selection.min_mean_reward, selection.max_mean_reward
    if low is not None or high is not None:
        bounds = [f"above {low:g}"] * (low is not None) + [f"below {high:g}"] * (high is not None)
        notes.append(
            "Trained on the problems whose mean reward over "
            f"{formatting.counted(selection.num_samples, 'response')} of the initial policy was "
            f"{' and '.join(bounds)}."
        )
    return notes


def _loading_notes(facts: CardFacts) -> list[str]:
    prompts = facts.data_report["prompts"]
    if facts.prompt is not None:
        first = "`{problem}` in the prompt stands for the problem's text."
    elif prompts["chat_template_used"]:
        first = "Problems go through the tokenizer's chat template."
    else:
        first = f"Problems go through the prompt template {prompts['template']}."
    return [
        first,
        "`generation_config.json` has the sampling of the evaluation and the tokens that end a "
        "response; both programs read it. The longest response is up to you.",
    ]


def _provenance(facts: CardFacts) -> Rows:
    versions = ", ".join(f"{name} {version}" for name, version in facts.versions.items())
    return [
        ("", ""),
        ("run", f"of pmd_pipeline, begun {facts.created}"),
        ("policy", f"SHA-256 `{facts.checksum}` of the stored one"),
        *((name, f"SHA-256 `{checksum}`") for name, checksum in facts.weights.items()),
        ("exported with", versions),
        ("commit at the export", f"`{facts.commit}`" if facts.commit else "none"),
    ]


def _licences(facts: CardFacts) -> str:
    policy, data = (
        facts.experiment.policy_initialisation.policy,
        facts.experiment.data_preparation,
    )
    bound = ["the data above"]
    if isinstance(policy, PretrainedPolicyConfig):
        bound.insert(0, "the initial policy")
    if all(name in data.generated_sets() for name in data.set_names()):
        bound.remove("the data above")
    if not bound:
        return (
            "Initial policy and data were generated, so no licence of others is known to bind it."
        )
    return f"The licences of {' and of '.join(bound)} bind it: read them first."


def _table(rows: Rows) -> str:
    header, *others = [[cell.replace("|", "\\|") for cell in row] for row in rows]
    lines = [header, ["---"] * len(header), *others]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)
