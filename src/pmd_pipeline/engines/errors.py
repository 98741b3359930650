"""Errors of an engine that the user's prompts or parameters did not cause."""


class EngineError(RuntimeError):
    """An engine cannot sample; the message says why and what to do."""


class EngineUnavailableError(EngineError):
    """The engine's library is not installed, or not in the tested version."""


class EngineFailedError(EngineError):
    """The engine's process failed or ended; the message has its last output."""


class StaleSamplerError(EngineError):
    """The sampler does not have the policy's weights: its samples would be another policy's."""


class WrongLogProbsError(EngineError):
    """Trainer, sampler and the model itself do not agree on log-probs."""
