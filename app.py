"""The Kitten Mixer: `python app.py`, then open http://127.0.0.1:7860 (or at `PORT`)."""

import os

from catvae.ui import build, launch_options

demo = build()

if __name__ == "__main__":
    demo.launch(server_port=int(os.environ.get("PORT", 7860)), **launch_options())
