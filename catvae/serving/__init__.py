"""What a server needs and Gradio is not: weights, links, limits, words."""
