"""Errors of a study."""


class StudyError(ValueError):
    """A study cannot be run as configured or as stored; the message says what to do."""


class StudyStorageError(StudyError):
    """The study's storage cannot be opened or holds something else."""


class RepeatedFailureError(StudyError):
    """Several trials in a row failed with the same error."""
