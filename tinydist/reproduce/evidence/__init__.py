"""Evidence: what runs say about the paper's claims, and what the paper published."""
