"""Models that a server runs, asked over OpenAI's HTTP interface.

A server has no policy to be given and gives no token ids back, so this is no rollout engine: it
answers prompts for evaluations, and nothing can be trained on what it says.
"""
