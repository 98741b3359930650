"""Files at fsspec addresses: a copy of the results on other machines, problems that lie there."""
