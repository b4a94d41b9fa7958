"""Runs: the settings of a run, how it is computed, and the files that it writes."""
