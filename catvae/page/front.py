"""The front's modules, and what their remote engine asks of the app, by plain routes under /web."""

import json
from base64 import b64decode, b64encode
from binascii import Error as Base64Error
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

from catvae.fullsize.parents import SIZES
from catvae.images import is_cut, to_bytes
from catvae.latents import new_kittens
from catvae.page.cutting import cut_at, face_at, on_photo
from catvae.page.films import FILE_KINDS, make_film
from catvae.page.kept import keep_photo, kept_photo
from catvae.page.morph import MIXING, QUICK, draw_morph, draw_way
from catvae.page.scenes import Picture, draw_full, tell_scene
from catvae.page.tabs.compare import FRAMES, KINDS, compare_pages
from catvae.page.tabs.explore import Explorer
from catvae.page.visitor import check_path, check_share, known_model, language_for, parse, read, refuse
from catvae.photos.faces import align, whole_picture
from catvae.serving.front import STYLES, WEB, gradio_version, manifest_of, photo_of, sprite, style, words_module
from catvae.serving.links import CATS, DEFAULT_PATH, example_face
from catvae.serving.texts import TEXTS
from catvae.serving.weights import Weights

FRESH = {"cache-control": "no-cache"}  # asked for again, and answered in a word where nothing has changed
# by origin: what a page of ours was answered has no word for pages of other sites, which would be refused it
KEPT = {"cache-control": "public, max-age=300", "vary": "origin"}
CAT = "{cat}"  # in sentences: the page knows whether it is A or B
Words = dict[str, str]


def front_routes(weights: Weights, beside: bool) -> list[BaseRoute]:
    """All that the front needs of the app; `beside` says whether an exported one lies beside it, at /mixer."""
    front = Front(weights, beside, Explorer(weights))
    asks = {
        "faces": front.faces,
        "cut": front.cut,
        "compare": front.compare,
        "newborn": front.newborn,
        "film": front.film,
        "map": front.map,
        "dials": front.dials,
        "pad": front.pad,
        "morph": front.morph,
        "scene": front.scene,
    }
    answers: dict[str, Callable] = {
        "mixer.json": front.manifest,
        "words.js": fixed(lambda: words_module("remote"), "text/javascript"),
        "cats.webp": fixed(sprite, "image/webp"),
        **{name: fixed(partial(style, name), "text/css") for name in STYLES},
        "ask/photo": front.photo,
        **{f"ask/{name}": answering(act) for name, act in asks.items()},
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


def answering(act: Callable[[bytes, Request, Words], Response]) -> Callable:
    """A route whose body goes to `act`, in a thread; what cannot be done is told in the visitor's words, with 422."""

    async def answer(request: Request) -> Response:
        body, words = await request.body(), TEXTS[language_for(request)]
        try:
            return await run_in_threadpool(act, body, request, words)
        except gr.Error as refusal:
            return JSONResponse({"error": refusal.message}, 422)

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

    def faces(self, body: bytes, request: Request, words: Words) -> Response:
        """The faces in a photo, the best one cut, and a copy to draw on; under a key it stays for other cuts."""
        image = read(body or None, CAT, words)
        if is_cut(image):
            return JSONResponse({"kind": "cut", "face": packed(image)})
        told, copy, best = on_photo(image)
        shown = b64encode(to_bytes(copy, "JPEG", quality=85)).decode()
        return JSONResponse(
            {"kind": "own", "face": packed(align(image, best)), "photo": shown, "key": keep_photo(body), **told}
        )

    def cut(self, body: bytes, request: Request, words: Words) -> Response:
        """The face in a square on a photo that was sent; {"gone": true} where the photo has left the server."""
        asked = parse(body)
        if (path := kept_photo(asked.get("key"))) is None:
            return JSONResponse({"error": words["expired"], "gone": True}, 404)
        return JSONResponse({"face": packed(cut_at(CAT, str(path), asked.get("square"), words))})

    def morph(self, body: bytes, request: Request, words: Words) -> Response:
        """The frames of a mix side by side; of two examples by their names in the address."""
        params, current = request.query_params, self.weights.current
        model, path = params.get("model", ""), check_path(params.get("path", ""), words)
        known_model(current, model, words)
        named = {letter: {"cat": params.get(letter)} for letter in "ab"}
        content = draw_morph(current, model, both(parse(body) if body else named, words), path)
        return Response(content, media_type="image/webp", headers={} if body else KEPT)

    def scene(self, body: bytes, request: Request, words: Words) -> Response:
        """Both cats at full size, or at "most" so many pixels; of two examples by their names in the address.
        {"gone": true} where a photo has left the server."""
        asked, current = parse(body), self.weights.current
        told = request.query_params.get("most", "")
        most = int(told) if told in map(str, SIZES) else SIZES[-1]
        if body:
            return with_photos(lambda: JSONResponse(tell_scene(current, cats_in(asked, words), most)), words)
        cats = cats_in({letter: {"cat": request.query_params.get(letter)} for letter in "ab"}, words)
        content = current.recent.get(
            ("scene", *cats, most), lambda: json.dumps(tell_scene(current, cats, most)).encode()
        )
        return Response(content, media_type="application/json", headers=KEPT)

    def film(self, body: bytes, request: Request, words: Words) -> Response:
        """A mix as an animation, "full" with the fur of the photos, at the share "fur" of B where it is told."""
        asked, current = parse(body), self.weights.current
        kind, model, path = asked.get("kind"), asked.get("model"), check_path(asked.get("path"), words)
        if kind not in FILE_KINDS:
            raise refuse(words, "send_failed")
        known_model(current, model, words)
        fur = check_share(asked.get("fur"), words)

        def draw() -> Response:
            how = FILE_KINDS[kind]
            if asked.get("full"):
                cats, side = cats_in(asked, words), how.sizes[0][0]
                frames = draw_full(current, model, cats, path, how.frames, side, fur)
            else:
                frames = draw_way(current, model, both(asked, words), path, how.frames)
            with MIXING:
                return Response(make_film(frames, kind), media_type=how.mime)

        return with_photos(draw, words)

    def newborn(self, body: bytes, request: Request, words: Words) -> Response:
        """Two kittens that no one has seen, by a model that paints where there is one."""
        current, asked = self.weights.current, request.query_params.get("model", "")
        known_model(current, asked, words)
        name = next((name for name, model in current.models.items() if model.painter), asked)
        with MIXING:
            kittens = new_kittens(current.models[name], current.latents.get(name), 2)
        return JSONResponse({"faces": [packed(kitten) for kitten in kittens]})

    def compare(self, body: bytes, request: Request, words: Words) -> Response:
        """Every model's frames, and the numbers as HTML."""
        asked = parse(body)
        faces, kinds = both(asked, words), [kind_in(asked, letter) for letter in "ab"]
        path = check_path(asked.get("path", DEFAULT_PATH), words)
        with MIXING:
            strips, numbers = compare_pages(self.weights.current, faces, kinds, path, words)
        return JSONResponse({"strips": strips, "frames": FRAMES, "numbers": numbers})

    def map(self, body: bytes, request: Request, words: Words) -> Response:
        asked = parse(body)
        html = self.explorer.draw_map(asked.get("model"), both(asked, words), words)
        return Response(html, media_type="text/html")

    def dials(self, body: bytes, request: Request, words: Words) -> Response:
        """The frames along one dial, side by side as WebP in base64, and how likely each breed is for the cat."""
        asked = parse(body)
        face = face_in(asked.get("cat"), CAT, words)
        with MIXING:
            strip, nearest = self.explorer.turn_dials(face, asked.get("places"), asked.get("dial"), words)
        return JSONResponse({"strip": b64encode(to_bytes(strip, **QUICK)).decode(), "nearest": nearest})

    def pad(self, body: bytes, request: Request, words: Words) -> Response:
        """The mixes of A, B, C and, where it is told, D, side by side."""
        asked = parse(body)
        faces = both(asked, words, "abcd" if "d" in asked else "abc")
        with MIXING:
            return Response(to_bytes(self.explorer.draw_pad(faces), **QUICK), media_type="image/webp")


def both(asked: Mapping[str, Any], words: Words, letters: str = "ab") -> list[Image.Image]:
    """The faces of A and B, 64×64: {"cat"} an example, {"face"} a picture in base64. Raises gr.Error for others."""
    return [face_in(asked.get(letter), letter.upper(), words) for letter in letters]


def face_in(told: Any, letter: str, words: Words) -> Image.Image:
    told = told if isinstance(told, dict) else {}
    name, face = told.get("cat"), told.get("face")
    if isinstance(name, str):
        if name not in CATS:
            raise refuse(words, "embed_gone")
        return example_face(name)
    if not isinstance(face, str):
        raise refuse(words, "missing", cat=letter)
    try:
        image = read(b64decode(face, validate=True), letter, words)
    except (Base64Error, ValueError) as error:
        raise refuse(words, "unreadable", cat=letter) from error
    if not is_cut(image):
        raise refuse(words, "unreadable", cat=letter)
    return image


class PhotoGone(Exception):
    """A photo that has left the server: its sender has it."""


def with_photos(act: Callable[[], Response], words: Words) -> Response:
    try:
        return act()
    except PhotoGone:
        return JSONResponse({"error": words["expired"], "gone": True}, 404)


def cats_in(asked: Mapping[str, Any], words: Words) -> list[str | Picture]:
    """A and B with their photos: {"cat"} an example, {"key", "square"} a photo that was sent, {"face"} a picture of
    64×64 pixels. Raises gr.Error, and PhotoGone."""
    return [cat_in(asked.get(letter), letter.upper(), words) for letter in "ab"]


def cat_in(told: Any, letter: str, words: Words) -> str | Picture:
    told = told if isinstance(told, dict) else {}
    if "key" in told:
        path = kept_photo(told["key"])
        if path is None:
            raise PhotoGone
        image = read(str(path), letter, words)
        return image, face_at(image, told.get("square"), words)
    face = face_in(told, letter, words)  # which says what is wrong
    return told["cat"] if isinstance(told.get("cat"), str) else (face, whole_picture(face))


def kind_in(asked: Mapping[str, Any], letter: str) -> str:
    """Whose cat it is, of those that the page tells apart."""
    kind = (asked.get(letter) or {}).get("kind")
    return kind if kind in KINDS else "own"


def packed(face: Image.Image) -> str:
    """A face as PNG in base64."""
    return b64encode(to_bytes(face)).decode()
