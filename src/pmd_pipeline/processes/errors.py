"""What can go wrong with a call of another process."""


class ChildError(RuntimeError):
    """A call has no result; the message names the process and says why."""


class ProcessStartError(ChildError):
    """The process ended, or its time was over, before it could take calls."""


class ProcessEndedError(ChildError):
    """The process ended before it answered, or was ended earlier."""


class CallTimeoutError(ChildError):
    """The call took longer than it may; the process has been killed."""


class CallFailedError(ChildError):
    """The method raised an exception; the process can take the next call.

    Attributes:
        error_type: The exception's class, such as ``"ValueError"``.
        error_message: What the exception says.
        traceback_text: Where it was raised, as Python prints it.
    """

    def __init__(
        self, message: str, *, error_type: str, error_message: str, traceback_text: str
    ) -> None:
        super().__init__(message)
        self.error_type = error_type
        self.error_message = error_message
        self.traceback_text = traceback_text
