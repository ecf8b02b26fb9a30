"""What programs may ask beside the page's own /mix and /cut, and what is kept of it.

The docstrings of endpoints are also the descriptions of the MCP tools: Gradio reads one line per argument.
"""

import threading
import time
from contextlib import suppress
from pathlib import Path

import gradio as gr
import gradio.mcp
import torch
from gradio.utils import get_upload_folder
from PIL import Image

from catvae.compare import COMPARED_STEPS, measure
from catvae.faces import cut_face
from catvae.images import to_pil
from catvae.latents import sample_latents
from catvae.mixing import make_strip, mix
from catvae.model import CatVAE
from catvae.picker import CatPicker, read, two_faces
from catvae.serving import Weights
from catvae.texts import TEXTS, language_of


def add_endpoints(weights: Weights, model: gr.Dropdown, cat_a: CatPicker, cat_b: CatPicker) -> None:
    """Register the endpoints on the page being built; nothing of them is seen there."""
    with gr.Row(visible=False):
        trigger = gr.Button()
        image, gallery, numbers = gr.Image(format="png"), gr.Gallery(format="png"), gr.JSON()

    def compare(image_a: str, image_b: str, request: gr.Request) -> tuple[list[tuple[Image.Image, str]], dict]:
        """Mix two cats through all six models.

        Args:
            image_a: First cat, cut as for /mix.
            image_b: Second cat, likewise.

        Returns:
            One strip of seven frames per model, from the smallest β to the largest;
            for each model β, and PSNR (dB) and KL (nats) of these two cats.
        """
        texts = TEXTS[language_of(request.headers)]
        models = weights.current.models
        faces = two_faces(image_a, image_b, texts)
        rows = measure(models, faces)
        strips = [(make_strip(mix(models[name], *faces, COMPARED_STEPS)), name) for name in rows]
        return strips, {name: {key: row[key] for key in ("beta", "psnr", "kl")} for name, row in rows.items()}

    def reconstruct(model: str, image: str, request: gr.Request) -> tuple[Image.Image, dict]:
        """Show a cat as a model sees it.

        Args:
            model: "v1" to "v6".
            image: Picture of a cat, cut as for /mix.

        Returns:
            The reconstruction at 64×64 from the posterior mean; β, PSNR (dB) and KL (nats).
        """
        texts = TEXTS[language_of(request.headers)]
        chosen = known_model(weights, model, texts)
        row = measure({model: chosen}, [cut_face(read(image, "A", texts))])[model]
        return row["faces"][0], {key: row[key] for key in ("beta", "psnr", "kl")}

    def random(model: str, request: gr.Request) -> Image.Image:
        """Draw a kitten that no one has seen.

        Args:
            model: "v1" to "v6".

        Returns:
            A face at 64×64, decoded from a latent drawn where the model's faces lie.
        """
        known_model(weights, model, TEXTS[language_of(request.headers)])
        return new_kittens(weights, model, 1)[0]

    trigger.click(compare, [cat_a.face, cat_b.face], [gallery, numbers], api_name="compare")
    trigger.click(reconstruct, [model, cat_a.face], [image, numbers], api_name="reconstruct")
    trigger.click(random, [model], [image], api_name="random")


def forget_pictures(age: int = 3600, every: int = 600) -> Path:
    """Delete, in the background, pictures that MCP clients sent as data: URIs, when they are `age` seconds old.

    Gradio writes them to its temp folder and then knows nothing of them, `delete_cache` neither, so
    they get a folder of their own, which is returned.
    """
    folder = Path(get_upload_folder()) / "catvae-mcp"
    gradio.mcp.DEFAULT_TEMP_DIR = str(folder)

    def forget() -> None:
        while True:
            for path in folder.glob("*/*"):
                with suppress(OSError):  # another process of the app was faster
                    if time.time() - path.stat().st_mtime > age:
                        path.unlink()
            time.sleep(every)

    threading.Thread(target=forget, daemon=True).start()
    return folder


def known_model(weights: Weights, name: str, texts: dict[str, str]) -> CatVAE:
    """The model of that name. Raises gr.Error in the visitor's words for any other."""
    models = weights.current.models
    if not isinstance(name, str) or name not in models:
        raise gr.Error(texts["unknown_model"].format(names=", ".join(models)), print_exception=False)
    return models[name]


@torch.inference_mode()
def new_kittens(weights: Weights, model: str, count: int) -> list[Image.Image]:
    """Kittens decoded from latents drawn where the model's training faces lie, or from the prior where
    the weights do not tell."""
    current = weights.current
    if model in current.latents:
        z = sample_latents(current.latents[model], count)
    else:
        z = torch.randn(count, current.models[model].config.latent_dim)
    return to_pil(current.models[model].decode(z))
