"""The tabs beside the mix."""
