"""The error of every problem source."""


class ProblemSourceError(ValueError):
    """Problems cannot be had from where they were to come from.

    The message names the file or key, the value found and the remedy.
    """
