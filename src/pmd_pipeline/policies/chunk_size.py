"""How many logits are in memory at once."""

# A chunk of logits in float32 takes 4 bytes times this, 256 MiB; there are two such at a time.
# At a vocabulary of 151,936 this is 441 tokens, enough to keep a GPU busy with one product; at a
# vocabulary of 64 it is more than a million tokens, so that nothing is computed twice.
LOGITS_PER_CHUNK = 64 * 1024 * 1024
