"""What a person sees of a run or a study: figures, tables, pages."""
