"""The report on the paper's claims: as text, as figures and as one page."""
