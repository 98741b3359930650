"""Problems of files and hub data sets: rows, and what each column is."""
