"""Training a painter: its losses, the networks that these look through, one step, and the loop."""
