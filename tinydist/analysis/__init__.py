"""What trained networks turned out to be: arrays in, plain results out."""
