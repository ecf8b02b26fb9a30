"""The Kitten Mixer: `python app.py`, then open http://127.0.0.1:7860 (or at `PORT`)."""

import os

try:
    import spaces  # only on a Space, where it has to come before torch

    @spaces.GPU(duration=1)
    def use_gpu() -> None:
        """Never called: ZeroGPU starts no app without such a function, and a mix takes 15 ms on the CPU."""
except ImportError:
    pass

import torch

from catvae.machine import return_freed_memory
from catvae.page.page import build, launch_options

return_freed_memory()

# Two requests run at once, as many as a free Space has cores: threads within them would wait for each other.
torch.set_num_threads(1)

demo = build()

if __name__ == "__main__":
    demo.launch(server_port=int(os.environ.get("PORT", 7860)), **launch_options(demo))
