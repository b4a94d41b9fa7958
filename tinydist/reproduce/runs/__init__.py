"""Runs: what decides one, how it is computed, and what it leaves on disk."""
