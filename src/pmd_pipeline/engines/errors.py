"""What can go wrong with an engine that is not the user's prompts or parameters."""


class EngineError(RuntimeError):
    """An engine cannot sample; the message says why and what to do."""


class EngineUnavailableError(EngineError):
    """The engine's library is not installed, or not in the version that was tested."""


class EngineFailedError(EngineError):
    """The engine's process failed or ended; the message has its last words."""


class StaleSamplerError(EngineError):
    """The sampler does not have the policy's weights: its samples would be another policy's."""
