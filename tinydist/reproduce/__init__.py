"""Rerun "Neural Networks Learn Distance Metrics" (arXiv 2502.02103) and say, claim by claim, what held."""
