"""Plans: which runs are to be computed, and where their results go."""
