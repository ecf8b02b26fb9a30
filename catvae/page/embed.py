"""The small page at /embed, for a frame of 320 to 700 by 420 pixels in a blog post: light, because without Gradio.

Where the mixer of the browser was exported to a folder, the page shows that, and no mix is asked of the app.
"""

import json
import os
from collections.abc import Mapping, Sequence
from dataclasses import astuple, dataclass
from functools import cache
from pathlib import Path

from markupsafe import Markup
from starlette.requests import Request
from starlette.responses import HTMLResponse, JSONResponse, RedirectResponse, Response
from starlette.routing import BaseRoute, Route
from starlette.staticfiles import StaticFiles

from catvae.errors import SettingError
from catvae.files import COLOURS, HOME, MANIFEST, read_json, setting
from catvae.images import data_uri, make_strip
from catvae.mixing import interpolate
from catvae.page.morph import MIXING, MORPH_FRAMES, MORPH_SCRIPT, columns, morph_value, with_shares
from catvae.page.preview import PICTURE, preview_tags
from catvae.page.theme import render, static
from catvae.page.visitor import language_for
from catvae.serving.links import CATS, State, app_link, cat_title, example_face, is_painted, read_state
from catvae.serving.texts import TEXTS
from catvae.serving.weights import Weights, WeightSet

PER_ROW = {"wide": 12, "narrow": 6}  # frames, at most


def embed_routes(weights: Weights) -> list[BaseRoute]:
    """/embed?a=…&b=…&model=…&steps=…&path=…&lang=es|en&theme=light|dark, and what it asks for.

    What a parameter leaves open is as on a fresh main page, language and theme as the browser says.
    Raises SettingError when `CATVAE_WEB` names a folder without a mixer.
    """
    folder = find_mixer()
    page = Embed(weights, read_json(folder / MANIFEST) if folder else None)
    routes: list[BaseRoute] = [Route("/embed", page.show), Route("/embed/", no_slash), Route("/embed/mix", page.mix)]
    return [*routes, *mixer_routes(folder)] if folder else routes


def mixer_routes(folder: Path) -> list[BaseRoute]:
    """The files of the exported mixer under /mixer/, also behind a proxy that strips a subpath (a mount finds none)."""
    files = StaticFiles(directory=folder, html=True)

    async def send_file(request: Request) -> Response:
        return await files.get_response(os.path.normpath(request.path_params["path"]), request.scope)

    def add_slash(request: Request) -> Response:
        return RedirectResponse(f"mixer/?{request.url.query}")

    return [Route("/mixer", add_slash), Route("/mixer/{path:path}", send_file)]


def find_mixer() -> Path | None:
    """The folder with the exported mixer: `CATVAE_WEB`, else `web` beside the app if it is one; None without it."""
    named = setting("CATVAE_WEB")
    folder = Path(named) if named else HOME / "web"
    if (folder / MANIFEST).is_file():
        return folder
    if named:
        raise SettingError(f"CATVAE_WEB: {folder} holds no mixer: write one with python -m catvae export-web {folder}")
    return None


def no_slash(request: Request) -> Response:
    """The page's address has no slash at its end: what it names beside itself would not be found."""
    return RedirectResponse(f"../embed?{request.url.query}")


@dataclass(frozen=True)
class Embed:
    """The answers of the small page, on the weights in use; `mixer` is the manifest of the exported one."""

    weights: Weights
    mixer: dict | None

    def show(self, request: Request) -> Response:
        """The page. It shows the exported mixer where that has the cats and the model that the address names."""
        current, language = self.weights.current, language_for(request)
        words, state = TEXTS[language], read_state(request.query_params, current.models)
        theme, mixer = request.query_params.get("theme"), self.mixer
        exported = mixer and state.model in mixer["variants"] and {state.a, state.b} <= set(mixer["cats"])
        page = render(
            "embed.html",
            tags=Markup(preview_tags(request, current, "embed")),
            styles=Markup(COLOURS.read_text(encoding="utf-8") + static("morph.css") + static("embed.css")),
            scripts={"morph": Markup(MORPH_SCRIPT), "embed": Markup(static("embed.js"))},
            morph=Markup(static("morph.html")),
            exported=exported,
            cats={name: told(name, words) for name in CATS},
            faces=faces_strip(),
            models={name: words.get(f"model_{name}", name) for name in current.models},
            state=state,
            language=language,
            theme=theme if theme in ("light", "dark") else None,
            link=app_link(".", state, lang=language),
            picture=app_link(".", state, PICTURE),
            words=words,
        )
        return HTMLResponse(page, headers={"vary": "accept-language"})

    def mix(self, request: Request) -> Response:
        """The morph and the frames of a state as JSON; 404 for cats and models that are not here (any more)."""
        current, language, params = self.weights.current, language_for(request), request.query_params
        state = read_state(params, current.models)
        if (params.get("a"), params.get("b"), params.get("model")) != (state.a, state.b, state.model):
            return JSONResponse({"error": TEXTS[language]["embed_gone"]}, 404)
        content = current.recent.get(("embed", language, state), lambda: draw(current, state, TEXTS[language]))
        return Response(content, media_type="application/json", headers={"cache-control": "public, max-age=300"})


def told(name: str, words: Mapping[str, str]) -> str:
    """What an example cat is called, and whether it is one."""
    title = cat_title(name, words)
    return f"{title} · {words['cats_painted']}" if is_painted(name) else title


def draw(current: WeightSet, state: State, words: dict[str, str]) -> str:
    """What the page shows of a mix: the value of the morph, the frames, and in how many columns these stand."""
    a, b, model, steps, path = astuple(state)
    faces = example_face(a), example_face(b)
    with MIXING:
        morph, frames = (interpolate(current.models[model], faces, count, path) for count in (MORPH_FRAMES, steps))
    wide = {width: columns(steps, most) for width, most in PER_ROW.items()}
    return json.dumps({"morph": morph_value(morph, words), "frames": with_shares(frames, words), "columns": wide})


@cache
def faces_strip(names: Sequence[str] = tuple(CATS)) -> str:
    """The faces of the example cats side by side, as an address that needs no file."""
    return data_uri(make_strip([example_face(name) for name in names]), "WEBP", quality=80)
