"""Training: faces, the loop, starts, optimisers."""
