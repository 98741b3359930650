"""The embedded policy: a 25-token tokenizer and a small Qwen3-architecture model, built in code."""

import torch
from tokenizers import Regex, Tokenizer
from tokenizers.decoders import Fuse
from tokenizers.models import WordLevel
from tokenizers.pre_tokenizers import Split
from tokenizers.processors import TemplateProcessing
from transformers import PreTrainedTokenizerFast, Qwen3Config, Qwen3ForCausalLM

from pmd_pipeline.config.policy import EmbeddedPolicyConfig
from pmd_pipeline.policies.policy import Policy
from pmd_pipeline.policies.vocabulary import VOCABULARY

# The usual 0.02 suits wide models; with it, a model this narrow takes twice the steps to learn.
_INITIAL_STANDARD_DEVIATION = 0.06


def build_tokenizer() -> PreTrainedTokenizerFast:
    """Return the embedded tokenizer; a text with a character outside its vocabulary is an error."""
    tokenizer = Tokenizer(WordLevel({token: i for i, token in enumerate(VOCABULARY)}))
    tokenizer.pre_tokenizer = Split(Regex(r"\\boxed\{|mod|."), behavior="isolated")
    tokenizer.post_processor = TemplateProcessing(
        single="<bos> $A", special_tokens=[("<bos>", VOCABULARY.index("<bos>"))]
    )
    tokenizer.decoder = Fuse()
    return PreTrainedTokenizerFast(
        tokenizer_object=tokenizer,
        pad_token="<pad>",
        bos_token="<bos>",
        eos_token="<eos>",
        clean_up_tokenization_spaces=False,
    )


def build_policy(config: EmbeddedPolicyConfig, *, seed: int) -> Policy:
    """Return the embedded policy with random weights that depend on ``seed`` alone."""
    tokenizer = build_tokenizer()
    model_config = Qwen3Config(
        vocab_size=len(VOCABULARY),
        hidden_size=config.hidden_size,
        num_hidden_layers=config.num_layers,
        num_attention_heads=config.num_heads,
        num_key_value_heads=config.num_heads,
        head_dim=config.head_dim,
        intermediate_size=config.feed_forward_size,
        max_position_embeddings=config.max_position,
        tie_word_embeddings=False,
        initializer_range=_INITIAL_STANDARD_DEVIATION,
        attention_dropout=0.0,
        bos_token_id=tokenizer.bos_token_id,
        eos_token_id=tokenizer.eos_token_id,
        pad_token_id=tokenizer.pad_token_id,
        dtype="float32",
    )
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        model = Qwen3ForCausalLM(model_config)
    return Policy(model=model.eval(), tokenizer=tokenizer)
