"""What can go wrong with a server."""


class EndpointError(ValueError):
    """A server cannot be asked, or not in this way; the message says what to change."""
