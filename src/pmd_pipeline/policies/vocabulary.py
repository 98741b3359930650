"""The embedded policy's tokens, in the order of their ids."""

SPECIAL_TOKENS = ("<pad>", "<bos>", "<eos>")
VOCABULARY = (*SPECIAL_TOKENS, *"0123456789", *"+-*()=;?", "mod", "x", "\\boxed{", "}")
