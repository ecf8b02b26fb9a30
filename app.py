"""The Kitten Mixer: `python app.py`, then open http://127.0.0.1:7860 (or at `PORT`)."""

import ctypes
import os
from contextlib import suppress

import torch

from catvae.ui import build, launch_options

# Tensors of ever other sizes leave holes that glibc would keep: fewer arenas, and large pieces given back
# (mallopt(3): M_ARENA_MAX, M_MMAP_THRESHOLD, M_TRIM_THRESHOLD). Elsewhere there is no such library.
with suppress(OSError, AttributeError):
    libc = ctypes.CDLL("libc.so.6")
    for option, value in ((-8, 2), (-3, 1 << 20), (-1, 16 << 20)):
        libc.mallopt(option, value)

# Two requests run at once, as many as a free Space has cores: threads within them would wait for each other.
torch.set_num_threads(1)

demo = build()

if __name__ == "__main__":
    demo.launch(server_port=int(os.environ.get("PORT", 7860)), **launch_options(demo))
