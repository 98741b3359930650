"""``kedro study``: trials as Kedro sessions, and the commands around them."""
