"""How sure a comparison is: intervals, tests and power, for arrays of scores.

Import from the modules. They need ``scipy.special`` alone, as ``scipy.stats`` takes most of a
second to import.
"""
