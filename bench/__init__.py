"""How fast the operator is, as ratios to what this machine's API server allows: `make bench`."""
