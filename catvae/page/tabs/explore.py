"""The tab to explore latent space: a map of the example cats, and sums of cats."""

from html import escape
from pathlib import Path
from weakref import WeakKeyDictionary

import gradio as gr
import torch
from PIL import Image

from catvae.errors import ImageError
from catvae.images import data_uri, to_tensor
from catvae.latents import Chart, add_up, make_chart, move_apart
from catvae.mixing import mix
from catvae.model import VARIANTS, CatVAE
from catvae.page.api import known_model
from catvae.page.morph import shares
from catvae.page.picker import CatPicker
from catvae.page.theme import i18n, when_seen
from catvae.photos.decode import open_image
from catvae.photos.faces import cut_face
from catvae.serving.texts import TEXTS, language_of
from catvae.serving.weights import Weights

THUMB, GAP, MARGIN = 0.14, 0.147, 0.02  # in sides of the map: a thumbnail, one to the next, the edge; 40 px on a phone
FIRST_SUM = (3, 14, 0)  # black and white - black + tabby: a tabby with a white snout
WAY = 7  # frames under the map


def webp(image: Image.Image, side: int | None = None) -> str:
    """A picture as an address that needs no file, enlarged to a square of `side` pixels."""
    return data_uri(image.resize((side, side), Image.Resampling.LANCZOS) if side else image, "WEBP", quality=90)


def explore_tab(weights: Weights, model: gr.Dropdown, cats: list[str], cat_a: CatPicker, cat_b: CatPicker) -> None:
    """A map of the cats on which two can be chosen to be mixed, and cats to add and subtract.

    `model` and this tab's own choice of model follow each other.
    """
    faces = [cut_face(open_image(cat)) for cat in cats]
    pixels = to_tensor(faces)
    thumbs = [webp(face) for face in faces]
    charts: WeakKeyDictionary[CatVAE, Chart] = WeakKeyDictionary()  # gone with their set of weights

    def chart_of(name: str, texts: dict[str, str]) -> tuple[CatVAE, Chart]:
        model = known_model(weights.current, name, texts)
        if model not in charts:
            charts[model] = make_chart(model, pixels)
        return model, charts[model]

    def names(texts: dict[str, str]) -> list[str]:
        """What the cats are called, for those who do not see them."""
        kittens = [texts["kitten"].format(number=i + 1) for i in range(len(cats))]
        return [
            kitten if Path(cat).stem.startswith("kitten") else Path(cat).stem.title()
            for cat, kitten in zip(cats, kittens, strict=True)
        ]

    def draw_map(name: str, image_a: str | None, image_b: str | None, turn: str, request: gr.Request) -> str:
        texts = TEXTS[language_of(request.headers)]
        model, chart = chart_of(name, texts)
        chosen = {letter: face for letter, path in (("A", image_a), ("B", image_b)) if (face := face_in(path))}
        places = {letter: faces.index(face) for letter, face in chosen.items() if face in faces}
        own = [letter for letter in chosen if letter not in places]
        latents = chart.latents
        if own:
            with torch.inference_mode():
                latents = torch.cat([latents, model.encode(to_tensor([chosen[letter] for letter in own]))[0]])
        places |= {letter: len(cats) + i for i, letter in enumerate(own)}
        free = 1 - THUMB - 2 * MARGIN
        points = move_apart(chart.project(latents), GAP / free) * free + THUMB / 2 + MARGIN
        points = [(100 * x, 100 - 100 * y) for x, y in points.tolist()]
        labels = names(texts) + [texts["own_cat"]] * len(own)
        sources = thumbs + [webp(chosen[letter]) for letter in own]

        marks = []
        for i, ((x, y), label, source) in enumerate(zip(points, labels, sources, strict=True)):
            letters = " ".join(letter for letter, place in sorted(places.items()) if place == i)
            label = escape(", ".join([label, *(texts[f"cat_{letter.lower()}"] for letter in letters.split())]))
            kind = f'button type="button" data-cat="{i}"' if i < len(cats) else 'span role="img"'
            marks.append(
                f'<{kind} class="cat-point" style="left:{x:.2f}%;top:{y:.2f}%" aria-label="{label}" title="{label}"'
                f' data-letters="{letters}"><img src="{source}" alt=""></{kind.split()[0]}>'
            )
        ends = [points[places[letter]] for letter in "AB"] if len(places) == 2 else [(0, 0), (0, 0)]
        (x1, y1), (x2, y2) = ends
        frames = mix(model, chosen["A"], chosen["B"], WAY) if len(chosen) == 2 else []
        way = "".join(
            f'<img src="{webp(frame)}" alt="{share}">' for frame, share in zip(frames, shares(WAY, texts), strict=False)
        )
        words = texts["variance"].format(percent=round(100 * chart.share), count=len(cats))
        return (
            f'<p class="turn" role="status">{escape(texts[f"choose_{turn.lower()}"])}</p>'
            f'<div class="cat-map" role="group" aria-label="{escape(texts["map"])}">'
            f'<svg viewBox="0 0 100 100" aria-hidden="true">'
            f'<line x1="{x1:.2f}" y1="{y1:.2f}" x2="{x2:.2f}" y2="{y2:.2f}"/></svg>{"".join(marks)}</div>'
            f'<p class="words">{escape(words)}</p>'
            f'<div class="way" role="group" aria-label="{escape(texts["result"])}">{way}</div>'
        )

    def face_in(path: str | None) -> Image.Image | None:
        try:
            return cut_face(open_image(path)) if path else None
        except ImageError:
            return None  # the mix says what is wrong with it

    def choose(turn: str, event: gr.EventData, request: gr.Request) -> tuple:
        """Make the cat that was clicked cat A or B, in turn."""
        cat = picked(event, "cat", len(cats), TEXTS[language_of(request.headers)])
        unchanged = [gr.skip()] * (1 + len(cat_a.follow))
        if turn == "A":
            return cats[cat], *cat_a.show(cats[cat], request), *unchanged, "B"
        return *unchanged, cats[cat], *cat_b.show(cats[cat], request), "A"

    def picked(event: gr.EventData, what: str, count: int, texts: dict[str, str]) -> int:
        value = event._data.get(what) if isinstance(event._data, dict) else None
        if not isinstance(value, int) or not 0 <= value < count:
            raise gr.Error(texts["unknown_cat"], print_exception=False)
        return value

    def draw_sum(name: str, terms: tuple[int, ...], slot: int, request: gr.Request) -> str:
        texts = TEXTS[language_of(request.headers)]
        model, chart = chart_of(name, texts)
        called = names(texts)
        tiles = []
        for i, image in enumerate(add_up(model, chart.latents[list(terms)])):
            source, caption = webp(image, 256), escape(texts[f"term_{i + 1}"])
            sign = f'<span class="sign" aria-hidden="true">{"+−+="[i] if i else ""}</span>'
            if i < len(terms):
                label = escape(f"{texts[f'term_{i + 1}']}: {called[terms[i]]}")
                tile = f'button type="button" data-slot="{i}" aria-pressed="{str(i == slot).lower()}"'
            else:
                label, tile = escape(texts["term_4"]), 'span class="total"'
            tiles.append(
                f'<div class="term">{sign}<{tile}><img src="{source}" alt="{label}"></{tile.split()[0]}>'
                f"<small>{caption}</small></div>"
            )
        shelf = "".join(
            f'<button type="button" data-cat="{i}" aria-label="{escape(label)}" title="{escape(label)}"'
            f' aria-pressed="{str(i == terms[slot]).lower()}"><img src="{thumb}" alt=""></button>'
            for i, (label, thumb) in enumerate(zip(called, thumbs, strict=True))
        )
        return (
            f'<div class="sum">{"".join(tiles)}</div>'
            f'<p class="words" role="status">{escape(texts[f"choose_term_{slot + 1}"])}</p>'
            f'<div class="shelf" role="group" aria-label="{escape(texts["examples"])}">{shelf}</div>'
        )

    def choose_term(
        name: str, terms: tuple[int, ...], slot: int, event: gr.EventData, request: gr.Request
    ) -> tuple[str, tuple[int, ...], int]:
        """Make another term the one to change, or put the cat that was clicked in its place."""
        texts = TEXTS[language_of(request.headers)]
        if "slot" in event._data:
            slot = picked(event, "slot", len(terms), texts)
        else:
            cat = picked(event, "cat", len(cats), texts)
            terms = (*terms[:slot], cat, *terms[slot + 1 :])
        return draw_sum(name, terms, slot, request), terms, slot

    intro = gr.Markdown(i18n("explore_intro"))
    tab = intro.parent
    here = gr.Dropdown(
        [(i18n(f"model_{name}"), name) for name in VARIANTS],
        value=model.value,
        label=i18n("model"),
        elem_id="explore-model",
    )
    here.preprocess = lambda value: value
    board = gr.HTML(css_template=MAP_CSS, js_on_load=MAP_JS, elem_id="map")
    gr.Markdown(i18n("sum_intro"))
    sums = gr.HTML(css_template=SUM_CSS, js_on_load=SUM_JS, elem_id="sum")
    turn, terms, slot = gr.State("A"), gr.State(FIRST_SUM), gr.State(2)

    quiet = {"api_visibility": "private", "show_progress": "hidden"}
    other_cats = when_seen([cat_a.face.change, cat_b.face.change], "#map")
    other_model = when_seen([here.change], "#map")
    here.input(None, here, model, js="name => name", **quiet)
    model.change(None, model, here, js="name => name", **quiet)
    gr.on(
        [tab.select, other_model.change, other_cats.change, turn.change],
        draw_map,
        [here, cat_a.face, cat_b.face, turn],
        board,
        trigger_mode="always_last",
        **quiet,
    )
    gr.on([tab.select, other_model.change], draw_sum, [here, terms, slot], sums, trigger_mode="always_last", **quiet)
    board.click(choose, turn, [cat_a.photo, *cat_a.follow, cat_b.photo, *cat_b.follow, turn], **quiet)
    sums.click(choose_term, [here, terms, slot], [sums, terms, slot], **quiet)


MAP_JS = """
element.addEventListener('click', event => {
    const button = event.target.closest('button');
    if (button) trigger('click', {cat: Number(button.dataset.cat)});
});
"""

SUM_JS = """
element.addEventListener('click', event => {
    const button = event.target.closest('button');
    if (!button) return;
    const {cat, slot} = button.dataset;
    trigger('click', cat ? {cat: Number(cat)} : {slot: Number(slot)});
});
"""

MAP_CSS = """
width: 100%; max-width: 640px; margin-inline: auto;
.turn { margin: 0 0 8px; font-weight: 600; text-align: center; }
.words { margin: 8px 0; text-align: center; opacity: 0.8; }
.cat-map {
    position: relative; aspect-ratio: 1; border-radius: 16px; border: 1px solid var(--border-color-primary);
    background: var(--background-fill-secondary);
}
svg { position: absolute; inset: 0; width: 100%; height: 100%; }
line { stroke: var(--color-accent); stroke-width: 0.8; stroke-dasharray: 2 1.5; stroke-linecap: round; }
.cat-point {
    position: absolute; width: 14%; height: 14%; padding: 0; border: 0; border-radius: 22%; background: none;
    transform: translate(-50%, -50%); transition: left 0.6s, top 0.6s, scale 0.15s;
}
.cat-point img { width: 100%; height: 100%; border-radius: inherit; display: block; margin: 0; }
button { cursor: pointer; }
button:hover { scale: 1.12; z-index: 2; }
button:focus-visible { outline: 3px solid var(--color-accent); outline-offset: 2px; z-index: 3; }
.cat-point:not([data-letters=""]) { box-shadow: 0 0 0 3px var(--color-accent); z-index: 1; }
.cat-point:not([data-letters=""])::after {
    content: attr(data-letters); position: absolute; right: -7px; top: -9px; min-width: 22px; padding: 0 5px;
    border-radius: 11px; background: #c2410c; color: white; font-size: 13px; line-height: 22px; font-weight: 700;
    text-align: center;
}
.way { display: flex; gap: 2px; }
.way img { flex: 1; min-width: 0; margin: 0; }
.way img:first-child { border-radius: 10px 0 0 10px; }
.way img:last-child { border-radius: 0 10px 10px 0; }
@media (prefers-reduced-motion: reduce) { .cat-point { transition: none; } }
"""

SUM_CSS = """
width: 100%; max-width: 860px; margin-inline: auto;
.words { margin: 12px 0 8px; text-align: center; }
.sum { display: flex; flex-wrap: wrap; justify-content: center; gap: 12px 0; }
.term { display: grid; grid-template-columns: 26px auto; justify-items: center; align-items: center; }
.term small { grid-column: 2; margin-top: 6px; opacity: 0.8; }
.sign { font-size: 26px; font-weight: 600; }
button { padding: 0; border: 0; background: none; cursor: pointer; border-radius: 14px; }
.total { border-radius: 14px; }
.sum img { width: clamp(90px, 32vw, 160px); aspect-ratio: 1; border-radius: 14px; display: block; margin: 0; }
.shelf { display: flex; flex-wrap: wrap; justify-content: center; gap: 6px; }
.shelf img { width: 44px; height: 44px; border-radius: 10px; display: block; margin: 0; }
.shelf button { border-radius: 10px; }
button[aria-pressed="true"] { box-shadow: 0 0 0 3px var(--color-accent); }
button:hover { filter: brightness(1.08); }
button:focus-visible { outline: 3px solid var(--color-accent); outline-offset: 3px; }
"""
