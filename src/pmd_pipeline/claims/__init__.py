"""The paper's claims, tried in the small: docs/claims.md. Import from the modules."""
