"""What programs may ask beside the page's own /cut, and what is kept of it.

The docstrings of endpoints are also the descriptions of the MCP tools: Gradio reads one line per argument.
"""

import threading
import time
from contextlib import suppress
from pathlib import Path

import gradio as gr
import gradio.mcp
import torch
from gradio.block_function import BlockFunction
from gradio.utils import get_upload_folder
from PIL import Image

from catvae.images import to_pil
from catvae.latents import sample_latents
from catvae.mixing import METHODS, Comparison, compare, measure, mix
from catvae.model import CatVAE
from catvae.page.morph import shares
from catvae.page.picker import CatPicker, read, two_faces
from catvae.page.share import DEFAULT_PATH, MAX_STEPS, MIN_STEPS
from catvae.photos.faces import cut_face
from catvae.serving.texts import TEXTS, language_of
from catvae.serving.weights import Weights, WeightSet


def add_endpoints(
    weights: Weights, model: gr.Dropdown, cat_a: CatPicker, cat_b: CatPicker, steps: gr.Slider, path: gr.Radio
) -> None:
    """Register the endpoints on the page being built; nothing of them is seen there."""
    with gr.Row(visible=False):
        trigger = gr.Button()
        image, gallery, numbers = gr.Image(format="png"), gr.Gallery(format="png"), gr.JSON()

    def mix_cats(
        model: str, image_a: str, image_b: str, steps: int, path: str, request: gr.Request
    ) -> list[tuple[Image.Image, str]]:
        """Turn cat A into cat B.

        Args:
            model: "v1" to "v6"; they differ in the weight β of the KL term.
            image_a: First cat; its best face is cut out, 64×64 pixels are taken as they are, else the centre square.
            image_b: Second cat, likewise.
            steps: Number of frames, 2 to 24.
            path: The way through latent space, "lerp" (straight, also when left out) or "slerp" (an arc).

        Returns:
            The cut face A, the frames, the cut face B, each with its share of B as caption.
        """
        texts = TEXTS[language_of(request.headers)]
        chosen, count = known_model(weights.current, model, texts), check_steps(steps, texts)
        method = check_path(path, texts)
        faces = two_faces(image_a, image_b, texts)
        frames = mix(chosen, *faces, count, method)
        ends = zip(faces, (texts["cat_a"], texts["cat_b"]), strict=True)
        return [next(ends), *zip(frames, shares(count, texts), strict=True), next(ends)]

    def compare_models(image_a: str, image_b: str, request: gr.Request) -> tuple[list[tuple[Image.Image, str]], dict]:
        """Mix two cats through all six models.

        Args:
            image_a: First cat, cut as for /mix.
            image_b: Second cat, likewise.

        Returns:
            One strip of seven frames per model, from the smallest β to the largest;
            for each model β, and PSNR (dB) and KL (nats) of these two cats.
        """
        texts = TEXTS[language_of(request.headers)]
        rows = compare(weights.current.models, two_faces(image_a, image_b, texts))
        figures = {name: figures_of(row) for name, row in rows.items()}
        return [(row.strip, name) for name, row in rows.items()], figures

    def reconstruct(model: str, image: str, request: gr.Request) -> tuple[Image.Image, dict]:
        """Show a cat as a model sees it.

        Args:
            model: "v1" to "v6".
            image: Picture of a cat, cut as for /mix.

        Returns:
            The reconstruction at 64×64 from the posterior mean; β, PSNR (dB) and KL (nats).
        """
        texts = TEXTS[language_of(request.headers)]
        chosen = known_model(weights.current, model, texts)
        row = measure(model, chosen, [cut_face(read(image, "A", texts))])
        return row.faces[0], figures_of(row)

    def random(model: str, request: gr.Request) -> Image.Image:
        """Draw a kitten that no one has seen.

        Args:
            model: "v1" to "v6".

        Returns:
            A face at 64×64, decoded from a latent drawn where the model's faces lie.
        """
        return new_kittens(weights.current, model, 1, TEXTS[language_of(request.headers)])[0]

    mix_cats.__name__, compare_models.__name__ = "mix", "compare"  # MCP tools are called as functions, not as api_name
    trigger.click(mix_cats, [model, cat_a.face, cat_b.face, steps, path], gallery, api_name="mix")
    trigger.click(compare_models, [cat_a.face, cat_b.face], [gallery, numbers], api_name="compare")
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


def allow_no_path(demo: gr.Blocks) -> None:
    """Let raw calls of /mix leave out the path, as those of Gradio's clients that know its default may."""
    validate = demo.validate_inputs

    def validate_inputs(called: BlockFunction, inputs: list) -> None:
        if called.api_name == "mix" and len(inputs) == len(called.inputs) - 1:
            inputs.append(DEFAULT_PATH)
        validate(called, inputs)

    demo.validate_inputs = validate_inputs


def known_model(current: WeightSet, name: str, texts: dict[str, str]) -> CatVAE:
    """The model of that name. Raises gr.Error in the visitor's words for any other."""
    if not isinstance(name, str) or name not in current.models:
        raise gr.Error(texts["unknown_model"].format(names=", ".join(current.models)), print_exception=False)
    return current.models[name]


def check_steps(steps: float, texts: dict[str, str]) -> int:
    """The number of steps, 2 to 24. Raises gr.Error in the visitor's words for anything else."""
    if not isinstance(steps, (int, float)) or not MIN_STEPS <= steps <= MAX_STEPS or steps != int(steps):
        raise gr.Error(texts["bad_steps"].format(low=MIN_STEPS, high=MAX_STEPS), print_exception=False)
    return int(steps)


def check_path(path: str, texts: dict[str, str]) -> str:
    """A method of `mix`. Raises gr.Error in the visitor's words for anything else."""
    if not isinstance(path, str) or path not in METHODS:
        raise gr.Error(texts["unknown_path"].format(names=", ".join(METHODS)), print_exception=False)
    return path


def figures_of(row: Comparison) -> dict[str, float]:
    """β, PSNR (dB) and KL (nats), as the endpoints give them."""
    return {"beta": row.beta, "psnr": row.psnr, "kl": row.kl}


@torch.inference_mode()
def new_kittens(current: WeightSet, name: str, count: int, texts: dict[str, str]) -> list[Image.Image]:
    """Kittens decoded from latents drawn where the model's training faces lie, or from the prior where
    the weights do not tell. Raises gr.Error as `known_model` does."""
    model = known_model(current, name, texts)
    if name in current.latents:
        z = sample_latents(current.latents[name], count)
    else:
        z = torch.randn(count, model.config.latent_dim)
    return to_pil(model.decode(z))
