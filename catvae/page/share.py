"""A fold with the link to what the page shows, and the HTML that shows it in other pages."""

import json
from dataclasses import dataclass, replace

import gradio as gr
from PIL import Image

from catvae.errors import ImageError
from catvae.images import is_cut
from catvae.page.components import Picture, sent_photo
from catvae.page.picker import CatPicker, show, unchanged
from catvae.page.theme import i18n, static, when_seen
from catvae.page.visitor import address_of, chosen_language, words_of
from catvae.serving.decoders import open_photo
from catvae.serving.links import CATS, app_link, example_name, iframe, read_state, web_component
from catvae.serving.weights import Weights


def share_tools(
    demo: gr.Blocks,
    weights: Weights,
    model: gr.Dropdown,
    steps: gr.Slider,
    path: gr.Radio,
    cat_a: CatPicker,
    cat_b: CatPicker,
) -> None:
    """The fold, filled when it is opened. The page opens as its link says."""
    with gr.Accordion(i18n("sharing"), open=False, elem_id="share") as fold:
        note = gr.Markdown(visible=False)
        link = gr.Textbox(label=i18n("share_link"), info=i18n("share_link_info"), buttons=["copy"], interactive=False)
        with gr.Row():
            small, whole = (
                gr.Code(label=i18n(key), interactive=False, buttons=["copy"], show_line_numbers=False, wrap_lines=True)
                for key in ("share_iframe", "share_component")
            )
    private = {"api_visibility": "private", "show_progress": "hidden"}
    share, chosen, photos = Share(weights), [model, steps, path], [cat_a.photo, cat_b.photo]
    seen = when_seen([component.change for component in (*chosen, *photos)], "#share textarea")
    # many outputs make a page slow, in Gradio, from the first time they are asked for: only where there is a state
    asked = gr.Textbox(visible="hidden")
    demo.load(None, asked, asked, js=static("state_asked.js"), **private)
    asked.change(share.restore, asked, [*chosen, cat_a.photo, *cat_a.follow, cat_b.photo, *cat_b.follow], **private)
    gr.on(
        [fold.expand, seen.change],
        share.tell,
        [*chosen, *photos],
        [note, link, small, whole],
        trigger_mode="always_last",
        queue=False,
        **private,
    )


@dataclass(frozen=True)
class Share:
    """The handlers of the fold, on the weights in use."""

    weights: Weights

    def restore(self, kept: str, request: gr.Request) -> list:
        """The model, steps, path and cats that the page's address names, where it names any; instead of those cats
        the photos `kept` from the same page in the other language, a JSON list of two."""
        params, photos = dict(request.query_params), kept_photos(kept)
        state = read_state(params, self.weights.current.models)
        shown = [getattr(state, key) if key in params else gr.skip() for key in ("model", "steps", "path")]
        for letter, name, photo in zip("ab", (state.a, state.b), photos, strict=True):
            cat = photo or (CATS[name] if letter in params else None)  # no face is looked for in a cat that stays
            try:
                shown += [cat, *show(letter.upper(), cat, words_of(request))] if cat else unchanged()
            except gr.Error:  # the photo has left the server
                shown += unchanged()
        return shown

    def tell(
        self, model: str, steps: int, path: str, photo_a: Picture, photo_b: Picture, request: gr.Request
    ) -> tuple[gr.Markdown, str, str, str]:
        """Which cats the link leaves out, in words; the link; the snippets."""
        words = words_of(request)
        names = [example_name(photo) for photo in (photo_a, photo_b)]
        own = [words[f"cat_{letter}"] for letter, name in zip("ab", names, strict=True) if not name]
        state = replace(
            read_state({"model": model, "steps": steps, "path": path}, self.weights.current.models),
            a=names[0],
            b=names[1],
        )
        address, lang = address_of(request), chosen_language(request)
        return (
            gr.Markdown(words["share_own"].format(cats=", ".join(own)), visible=bool(own)),
            app_link(address, state, lang=lang),
            iframe(address, state, lang),
            web_component(address),
        )


def kept_photos(kept: str) -> list[str | Image.Image | None]:
    """The photos of A and B in what a page kept: files of this app's or newborn kittens, None for anything else."""
    try:
        photos = json.loads(kept)
    except (TypeError, ValueError):
        photos = None
    if not isinstance(photos, list) or len(photos) != 2:
        return [None, None]
    return [kitten_in(photo) if isinstance(photo, bytes) else photo for photo in map(sent_photo, photos)]


def kitten_in(content: bytes) -> Image.Image | None:
    """The newborn kitten in these bytes, 64×64; None for any other picture."""
    try:
        image = open_photo(content)
    except ImageError:
        return None
    return image if is_cut(image) else None
