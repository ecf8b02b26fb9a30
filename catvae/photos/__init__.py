"""Photos: decoded, the cat's face found and cut."""
