"""The small page at /embed, for a frame of 320 to 700 by 420 pixels in a blog post: light, because without Gradio.

Where the mixer of the browser was exported to a folder, the page shows that, and no mix is asked of the app.
"""

import re
from functools import cache, partial
from os.path import dirname, normpath
from pathlib import Path

from markupsafe import Markup
from starlette.requests import Request
from starlette.responses import HTMLResponse, RedirectResponse, Response
from starlette.routing import BaseRoute, Route

from catvae.errors import SettingError
from catvae.files import HOME, MANIFEST, read_json, setting
from catvae.page.front import files_of
from catvae.page.preview import PICTURE, preview_tags
from catvae.page.theme import render
from catvae.page.visitor import language_for
from catvae.serving.front import WEB
from catvae.serving.links import app_link, read_state
from catvae.serving.texts import TEXTS
from catvae.serving.weights import Weights

START = ("kitten-mixer.js", "engine/remote.js")  # what the small page needs of the front, with all that they import


@cache
def modules_ahead() -> list[str]:
    """The modules that the small page fetches at once: those of `START` and what they import."""
    found: list[str] = list(START)
    for name in found:
        source = (WEB / name).read_text(encoding="utf-8") if (WEB / name).is_file() else ""  # words.js is made
        imported = re.findall(r'^import (?:.* from )?"(.*)";', source, re.M)
        paths = (normpath(f"{dirname(name)}/{other}".lstrip("/")) for other in imported)
        found += [path for path in paths if path not in found]
    return found


def embed_routes(weights: Weights, folder: Path | None) -> list[BaseRoute]:
    """/embed?a=…&b=…&model=…&steps=…&path=…&lang=es|en&theme=light|dark, and the exported mixer of `folder`.

    What a parameter leaves open is as on a fresh main page, language and theme as the browser says.
    """
    mixer = read_json(folder / MANIFEST) if folder else None

    def show(request: Request) -> Response:
        """The page, with the exported mixer where that has the cats and the model that the address names."""
        current, language = weights.current, language_for(request)
        words, state = TEXTS[language], read_state(request.query_params, current.models)
        theme = request.query_params.get("theme")
        exported = mixer and state.model in mixer["variants"] and {state.a, state.b} <= set(mixer["cats"])
        page = render(
            "embed.html",
            tags=Markup(preview_tags(request, current, "embed")),
            folder="mixer" if exported else "web",
            ahead=() if exported else modules_ahead(),
            state=state,
            names=request.query_params,
            language=language,
            theme=theme if theme in ("light", "dark") else None,
            link=app_link(".", state, lang=language),
            picture=app_link(".", state, PICTURE),
            words=words,
        )
        return HTMLResponse(page, headers={"vary": "accept-language"})

    # the page's address has no slash at its end: what it names beside itself would not be found; the mixer's folder has
    # one, below a proxy's subpath too
    routes: list[BaseRoute] = [Route("/embed", show), Route("/embed/", partial(redirect, "../embed"))]
    if folder:
        routes += [Route("/mixer", partial(redirect, "mixer/")), Route("/mixer/{path:path}", files_of(folder))]
    return routes


def find_mixer() -> Path | None:
    """The folder with the exported mixer: `CATVAE_WEB`, else `web` beside the app if it is one; None without it.

    Raises SettingError when `CATVAE_WEB` names a folder without a mixer.
    """
    named = setting("CATVAE_WEB")
    folder = Path(named) if named else HOME / "web"
    if (folder / MANIFEST).is_file():
        return folder
    if named:
        raise SettingError(f"CATVAE_WEB: {folder} holds no mixer: write one with python -m catvae export-web {folder}")
    return None


def redirect(to: str, request: Request) -> Response:
    """To another address, with the same question."""
    return RedirectResponse(f"{to}?{request.url.query}")
