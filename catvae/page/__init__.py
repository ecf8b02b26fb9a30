"""The page and its API: the only folder that imports gradio."""
