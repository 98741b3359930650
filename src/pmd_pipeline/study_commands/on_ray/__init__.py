"""``kedro study run --workers ray``: workers on the nodes of a Ray cluster, and who keeps them.

``driver`` runs the study: it computes nothing itself. ``fleet`` decides when a lost worker is
replaced. On a node, a ``host`` in a process of Ray's starts ``worker``, a program that does what
``kedro study worker`` does, for a ``request``. ``placing`` brings hosts onto nodes; it alone
imports ray, through the room ``cluster``.
"""
