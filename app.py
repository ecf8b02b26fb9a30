"""The Kitten Mixer: `python app.py`, then open http://127.0.0.1:7860 (or at `PORT`)."""

import os
import sys
import tempfile

# A folder of this app alone, whose old pictures are swept. Gradio reads this once, when it is first imported.
os.environ["GRADIO_TEMP_DIR"] = os.path.join(
    os.environ.get("GRADIO_TEMP_DIR") or tempfile.gettempdir(), f"catvae-{getattr(os, 'getuid', int)()}"
)

try:
    import spaces  # pyright: ignore[reportMissingImports]  # only on a Space, where it has to come before torch

    @spaces.GPU(duration=1)
    def use_gpu() -> None:
        """Never called: ZeroGPU starts no app without such a function, and a mix takes 15 ms on the CPU."""
except ImportError:
    pass

import torch

from catvae.errors import UserError
from catvae.machine import return_freed_memory
from catvae.page.launch import launch
from catvae.page.page import build
from catvae.serving.weights import Weights

return_freed_memory()

# Two requests run at once, as many as a free Space has cores: threads within them would wait for each other.
torch.set_num_threads(1)

try:
    weights = Weights()
    demo = build(weights)
    if __name__ == "__main__":
        launch(demo, weights)
except UserError as error:
    sys.exit(f"app.py: {error}")
