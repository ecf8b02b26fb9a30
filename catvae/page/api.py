"""The endpoints for programs: /mix, /compare, /reconstruct, /random and /cut.

Their docstrings are the descriptions of the MCP tools too: Gradio reads one line per argument.
"""

from dataclasses import dataclass

import gradio as gr
from PIL import Image

from catvae.fullsize.parents import parent_of
from catvae.latents import new_kittens
from catvae.mixing import METHODS, Comparison, compare_one, interpolate, mix_photos
from catvae.mixing import compare as compare_faces
from catvae.model import IMAGE_SIZE, find_painter
from catvae.page.components import Choice, Count, LaterCount, Options, PhotoInput, Picture, Range
from catvae.page.cutting import cut_square
from catvae.page.mixes import shares
from catvae.page.theme import i18n
from catvae.page.visitor import check_path, check_side, check_steps, known_model, read, two_faces, words_of
from catvae.photos.faces import cut_face
from catvae.serving.links import (
    CATS,
    DEFAULT_PATH,
    DEFAULT_STEPS,
    FIRST_A,
    FIRST_B,
    MAX_STEPS,
    MIN_STEPS,
    State,
    face_file,
)
from catvae.serving.weights import Weights


def add_endpoints(demo: gr.Blocks, weights: Weights) -> None:
    """Register the endpoints on a page of the app's that no one visits: what they take and give is loaded there."""
    with demo.route("Programs", "programs", show_in_navbar=False), gr.Row(visible=False):
        trigger = gr.Button()
        names = list(weights.current.models)
        first = State().model if State().model in names else names[0]
        model = Choice(names, value=first, label=i18n("model"))
        cat_a, cat_b = (
            PhotoInput(face_file(name), type="filepath", label=i18n(f"cat_{letter}"))
            for letter, name in (("a", FIRST_A), ("b", FIRST_B))
        )
        steps = Range(MIN_STEPS, MAX_STEPS, DEFAULT_STEPS, step=1, label=i18n("steps"))
        path = Options(list(METHODS), value=DEFAULT_PATH, label=i18n("path"))
        image, gallery, numbers = gr.Image(format="png"), gr.Gallery(format="png"), gr.JSON()
        photo = PhotoInput(CATS[FIRST_A], type="filepath", label=i18n("cat_a"))
        number, size = Count(1, precision=0), LaterCount(IMAGE_SIZE, precision=0)
        square = [
            Range(0.5, 4, 1, step=0.05, label=i18n("zoom")),
            Range(-1, 1, 0, step=0.02, label=i18n("right")),
            Range(-1, 1, 0, step=0.02, label=i18n("down")),
            Range(-180, 180, 0, step=1, label=i18n("turn")),
        ]
        face, note = gr.Image(format="png", label=i18n("face")), gr.Markdown()
        api = Api(weights)
        trigger.click(api.mix, [model, cat_a, cat_b, steps, path, size], gallery, api_name="mix")
        trigger.click(api.compare, [cat_a, cat_b], [gallery, numbers], api_name="compare")
        trigger.click(api.reconstruct, [model, cat_a], [image, numbers], api_name="reconstruct")
        trigger.click(api.random, [model], [image], api_name="random")
        trigger.click(api.cut, [photo, number, *square], [face, note, number], api_name="cut")


@dataclass(frozen=True)
class Api:
    """The endpoints, on the weights in use."""

    weights: Weights

    def mix(
        self, model: str, image_a: Picture, image_b: Picture, steps: int, path: str, size: int, request: gr.Request
    ) -> list[tuple[Image.Image, str]]:
        """Turn cat A into cat B.

        Args:
            model: The name of one, such as "v6"; /compare has them all, with the weight β of the KL term of each.
            image_a: First cat; its best face is cut out, 64×64 pixels are taken as they are, else the centre square.
            image_b: Second cat, likewise.
            steps: Number of frames, 2 to 24.
            path: The way through latent space, "lerp" (straight) or "slerp" (an arc).
            size: Side in pixels; 64 is the model alone, up to 512, a multiple of 8, the fur comes from the photos.

        Returns:
            The cut face A, the frames, the cut face B, each with its share of B as caption.
        """
        words = words_of(request)
        chosen, count = known_model(self.weights.current, model, words), check_steps(steps, words)
        method, side = check_path(path, words), check_side(size, words)
        titles = [words["cat_a"], words["cat_b"]]
        if side == IMAGE_SIZE:
            faces = two_faces(image_a, image_b, words)
            frames = interpolate(chosen, faces, count, method)
        else:
            pictures = [read(image, letter, words) for image, letter in ((image_a, "A"), (image_b, "B"))]
            parents = [parent_of(picture, side) for picture in pictures]
            painter = find_painter(self.weights.current.models)
            frames = mix_photos(chosen, parents, count, method, side, painter)
            faces = [frames[0], frames[-1]]
            said = words["only_painted" if painter else "only_enlarged"]
            titles = [
                title if parent.photo else f"{title} ({said})" for title, parent in zip(titles, parents, strict=True)
            ]
        ends = zip(faces, titles, strict=True)
        return [next(ends), *zip(frames, shares(count, words), strict=True), next(ends)]

    def compare(
        self, image_a: Picture, image_b: Picture, request: gr.Request
    ) -> tuple[list[tuple[Image.Image, str]], dict]:
        """Mix two cats through all models.

        Args:
            image_a: First cat, cut as for /mix.
            image_b: Second cat, likewise.

        Returns:
            One strip of seven frames per model, from the smallest β to the largest;
            for each model β, and PSNR (dB) and KL (nats) of these two cats.
        """
        rows = compare_faces(self.weights.current.models, two_faces(image_a, image_b, words_of(request)))
        return [(row.strip, name) for name, row in rows.items()], {name: figures_of(row) for name, row in rows.items()}

    def reconstruct(self, model: str, image: Picture, request: gr.Request) -> tuple[Image.Image, dict]:
        """Show a cat as a model sees it.

        Args:
            model: The name of one, as for /mix.
            image: Picture of a cat, cut as for /mix.

        Returns:
            The reconstruction at 64×64 from the posterior mean; β, PSNR (dB) and KL (nats).
        """
        words = words_of(request)
        chosen = known_model(self.weights.current, model, words)
        row = compare_one(model, chosen, [cut_face(read(image, "A", words))])
        return row.faces[0], figures_of(row)

    def random(self, model: str, request: gr.Request) -> Image.Image:
        """Draw a kitten that no one has seen.

        Args:
            model: The name of one, as for /mix.

        Returns:
            A face at 64×64, decoded from a latent drawn where the model's faces lie.
        """
        current = self.weights.current
        chosen = known_model(current, model, words_of(request))
        return new_kittens(chosen, current.latents.get(model), 1)[0]

    def cut(
        self, photo: Picture, number: int, zoom: float, right: float, down: float, turn: float, request: gr.Request
    ) -> tuple[Image.Image, str, int]:
        """Cut a cat's face out of a photo as the training faces are cut.

        Args:
            photo: Any picture.
            number: Which of the faces found, the best being 1; 0 takes the middle of the whole picture.
            zoom: Makes the square that many times smaller, 0.5 to 4.
            right: Moves the square, in shares of its side, -1 to 1.
            down: Moves the square, in shares of its side, -1 to 1.
            turn: Turns the square clockwise, in degrees, -180 to 180.

        Returns:
            The face at 64×64, what was found in words, the number of that face.
        """
        return cut_square("A", photo, number, (zoom, right, down, turn), words_of(request))


def figures_of(row: Comparison) -> dict[str, float | None]:
    """β (None: unknown), PSNR (dB) and KL (nats), as the endpoints give them."""
    return {"beta": row.beta, "psnr": row.psnr, "kl": row.kl}
