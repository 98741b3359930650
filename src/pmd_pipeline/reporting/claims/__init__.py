"""What people see of claims: the state of their work, and the page of verdicts."""
