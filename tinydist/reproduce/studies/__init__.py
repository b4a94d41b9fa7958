"""Studies: experiments beyond the paper, each with its own runs and its own findings."""
