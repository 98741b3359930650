"""Warnings of our dependencies' own doing, silenced before Kedro loads its plugins.

Registered as a ``kedro.init`` entry point.
"""

import warnings


def silence_known_warnings() -> None:
    """Ignore messages that no user of this project could act on."""
    for message in (
        r"register_new_resolver\(\) is deprecated",  # Kedro's, on omegaconf
        # A phase is a namespace, so these dots are meant.
        r"One or more dataset names contain '\.' characters",
    ):
        warnings.filterwarnings("ignore", message=message)
