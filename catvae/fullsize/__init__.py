"""Mixes at full size: the models' movement and light, the fur of the photos."""
