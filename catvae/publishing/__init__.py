"""To the Hub: weights, faces, Spaces."""
