"""What a server needs besides Gradio: weights, links, limits, texts."""
