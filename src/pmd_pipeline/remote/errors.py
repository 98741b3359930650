"""What can go wrong at an address."""


class RemoteError(ValueError):
    """It cannot work as it is asked: the message says what is wrong and what to do."""


class RemoteOutageError(OSError):
    """It does not work at the moment; later it may."""
