"""The front's modules, and what their remote engine asks of the app, by plain routes under /web."""

import json
from base64 import b64encode
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from hashlib import sha256
from pathlib import Path
from typing import Any

import gradio as gr
from PIL import Image
from starlette.concurrency import run_in_threadpool
from starlette.middleware import Middleware
from starlette.middleware.gzip import GZipMiddleware
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import BaseRoute, Route
from starlette.staticfiles import StaticFiles

from catvae.images import is_cut, to_bytes
from catvae.latents import new_kittens
from catvae.page.cutting import cut_at, on_photo
from catvae.page.films import FILE_KINDS, make_film
from catvae.page.mixes import MIXING, QUICK, SMALL_FRAME, draw_full, draw_morph, draw_way, tell_scene
from catvae.page.question import CAT, PhotoGone, Question, keep_photo, sent_photo
from catvae.page.tabs.compare import FRAMES, KINDS, compare_pages
from catvae.page.tabs.explore import Explorer
from catvae.page.visitor import check_path, check_share, known_model, read, refuse
from catvae.photos.faces import align
from catvae.serving.front import STYLES, WEB, gradio_version, manifest_of, photo_of, sprite, style, words_module
from catvae.serving.links import CATS, DEFAULT_PATH
from catvae.serving.weights import Weights

FRESH = {"cache-control": "no-cache"}  # asked for again, and answered in a word where nothing has changed
# by origin: what a page of ours was answered has no word for pages of other sites, which would be refused it
KEPT = {"cache-control": "public, max-age=300", "vary": "origin"}


def front_routes(weights: Weights, beside: bool) -> list[BaseRoute]:
    """All that the front needs of the app; `beside` says whether an exported one lies beside it, at /mixer."""
    front = Front(weights, beside, Explorer(weights))
    asks = [front.faces, front.cut, front.morph, front.scene, front.film, front.newborn]
    asks += [front.compare, front.map, front.dials, front.pad]
    answers: dict[str, Callable] = {
        "mixer.json": front.manifest,
        "words.js": fixed(lambda: words_module("remote"), "text/javascript"),
        "cats.webp": fixed(sprite, "image/webp"),
        **{name: fixed(partial(style, name), "text/css") for name in STYLES},
        "ask/photo": front.photo,
        **{f"ask/{act.__name__}": answering(act) for act in asks},
        "{path:path}": files_of(WEB),
    }
    small = [Middleware(GZipMiddleware, compresslevel=5)]
    return [Route(f"/web/{path}", act, methods=["GET", "POST"], middleware=small) for path, act in answers.items()]


def files_of(folder: Path) -> Callable:
    """A route that answers with the files of a folder: a mount would not, below a subpath that a proxy strips."""
    files = StaticFiles(directory=folder, html=(folder / "mixer.json").is_file())

    async def answer(request: Request) -> Response:
        response = await files.get_response(request.path_params["path"] or ".", {**request.scope, "method": "GET"})
        response.headers.update(FRESH)
        return response

    return answer


def fixed(make: Callable[[], str | bytes], media_type: str) -> Callable[[Request], Response]:
    """The answer with what is the same for everyone, or that it has not changed."""

    def answer(request: Request) -> Response:
        raw = content.encode() if isinstance(content := make(), str) else content
        tag = f'"{sha256(raw).hexdigest()[:16]}"'
        if request.headers.get("if-none-match", "").removeprefix("W/") == tag:
            return Response(status_code=304, headers=FRESH | {"etag": tag})
        return Response(raw, media_type=media_type, headers=FRESH | {"etag": tag})

    return answer


def answering(act: Callable[[Question], Response]) -> Callable:
    """A route whose questions go to `act`, in a thread; what cannot be done is told in the visitor's words, with 422,
    and with 404 and {"gone": true} where a photo has left the server."""

    async def answer(request: Request) -> Response:
        question = await Question.of(request)
        try:
            return await run_in_threadpool(act, question)
        except gr.Error as refusal:
            return JSONResponse({"error": refusal.message}, 422)
        except PhotoGone:
            return JSONResponse({"error": question.words["expired"], "gone": True}, 404)

    return answer


@dataclass(frozen=True)
class Front:
    """The answers, on the weights in use."""

    weights: Weights
    beside: bool
    explorer: Explorer

    def manifest(self, request: Request) -> Response:
        current = self.weights.current
        here = {"films": list(FILE_KINDS), "gradio": gradio_version(), "mixer": self.beside}
        return JSONResponse(manifest_of(current.models, current.metrics) | here, headers=FRESH)

    def photo(self, request: Request) -> Response:
        """The photo of an example cat, to move the square on it."""
        name = request.query_params.get("cat")
        return Response(photo_of(name).read_bytes() if name in CATS else b"", 200 if name in CATS else 404)

    def faces(self, asked: Question) -> Response:
        """The faces in a photo, the best one cut, and a copy to draw on; under a key it stays for other cuts."""
        image = read(asked.body or None, CAT, asked.words)
        if is_cut(image):
            return JSONResponse({"kind": "cut", "face": packed(image)})
        told, copy, best = on_photo(image)
        shown = b64encode(to_bytes(copy, "JPEG", quality=85)).decode()
        cat = {"kind": "own", "face": packed(align(image, best)), "photo": shown, "key": keep_photo(asked.body)}
        return JSONResponse(cat | told)

    def cut(self, asked: Question) -> Response:
        """The face in a square on a photo that was sent."""
        path = sent_photo(asked.told.get("key"))
        return JSONResponse({"face": packed(cut_at(CAT, path, asked.told.get("square"), asked.words))})

    def morph(self, asked: Question) -> Response:
        """The frames of a mix side by side; of two examples by their names in the address."""
        model, path = self.model(asked, asked.params), check_path(asked.params.get("path", ""), asked.words)
        light = asked.most <= SMALL_FRAME
        content = draw_morph(self.weights.current, model, asked.faces(), path, light)
        return Response(content, media_type="image/webp" if light else "image/jpeg", headers={} if asked.body else KEPT)

    def scene(self, asked: Question) -> Response:
        """Both cats at full size, or at "most" so many pixels; of two examples by their names in the address."""
        cats, current, most = asked.photos(), self.weights.current, asked.most

        def tell() -> bytes:
            return json.dumps(tell_scene(current, cats, most)).encode()

        content = tell() if asked.body else current.recent.get(("scene", *cats, most), tell)
        return Response(content, media_type="application/json", headers={} if asked.body else KEPT)

    def film(self, asked: Question) -> Response:
        """A mix as an animation, "full" with the fur of the photos, at the share "fur" of B where it is told."""
        told, words, current = asked.told, asked.words, self.weights.current
        kind, path = told.get("kind"), check_path(told.get("path"), words)
        if kind not in FILE_KINDS:
            raise refuse(words, "send_failed")
        model, fur, how = self.model(asked, told), check_share(told.get("fur"), words), FILE_KINDS[kind]
        if told.get("full"):
            frames = draw_full(current, model, asked.photos(), path, how.frames, how.sizes[0][0], fur)
        else:
            frames = draw_way(current, model, asked.faces(), path, how.frames)
        with MIXING:
            return Response(make_film(frames, kind), media_type=how.mime)

    def newborn(self, asked: Question) -> Response:
        """Two kittens that no one has seen, by a model that paints where there is one."""
        current, chosen = self.weights.current, self.model(asked, asked.params)
        name = next((name for name, model in current.models.items() if model.painter), chosen)
        with MIXING:
            kittens = new_kittens(current.models[name], current.latents.get(name), 2)
        return JSONResponse({"faces": [packed(kitten) for kitten in kittens]})

    def compare(self, asked: Question) -> Response:
        """Every model's frames, and the numbers as HTML."""
        faces, kinds = asked.faces(), [kind_in(asked.told, letter) for letter in "ab"]
        path = check_path(asked.told.get("path", DEFAULT_PATH), asked.words)
        with MIXING:
            strips, numbers = compare_pages(self.weights.current, faces, kinds, path, asked.words)
        return JSONResponse({"strips": strips, "frames": FRAMES, "numbers": numbers})

    def map(self, asked: Question) -> Response:
        html = self.explorer.draw_map(asked.told.get("model"), asked.faces(), asked.words)
        return Response(html, media_type="text/html")

    def dials(self, asked: Question) -> Response:
        """The frames along one dial, side by side as JPEG in base64, and how likely each breed is for the cat."""
        face, told = asked.face("cat"), asked.told
        with MIXING:
            strip, nearest = self.explorer.turn_dials(face, told.get("places"), told.get("dial"), asked.words)
        return JSONResponse({"strip": b64encode(to_bytes(strip, **QUICK)).decode(), "nearest": nearest})

    def pad(self, asked: Question) -> Response:
        """The mixes of A, B, C and, where it is told, D, side by side."""
        faces = asked.faces("abcd" if "d" in asked.told else "abc")
        with MIXING:
            return Response(to_bytes(self.explorer.draw_pad(faces), **QUICK), media_type="image/jpeg")

    def model(self, asked: Question, told: Mapping[str, Any]) -> str:
        """The name of the model that is told. Raises gr.Error for an unknown one."""
        name = told.get("model", "")
        known_model(self.weights.current, name, asked.words)
        return name


def kind_in(asked: Mapping[str, Any], letter: str) -> str:
    """Whose cat it is, of those that the page tells apart."""
    kind = (asked.get(letter) or {}).get("kind")
    return kind if kind in KINDS else "own"


def packed(face: Image.Image) -> str:
    """A face as PNG in base64."""
    return b64encode(to_bytes(face)).decode()
