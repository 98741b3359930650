"""Problems: where they come from, how they are cleaned, and how they become prompts."""
