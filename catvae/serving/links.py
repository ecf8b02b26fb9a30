"""A link that reopens what the page shows, and snippets that show it in other pages."""

import filecmp
import re
from collections.abc import Collection, Mapping
from dataclasses import asdict, dataclass
from functools import cache
from importlib.metadata import version
from pathlib import Path
from urllib.parse import urlencode, urlsplit

from PIL import Image

from catvae.files import example_cats, setting
from catvae.mixing import METHODS
from catvae.model import VARIANTS
from catvae.photos.decode import open_image
from catvae.serving.texts import TEXTS

MIN_STEPS, MAX_STEPS, DEFAULT_STEPS = 2, 24, 9
DEFAULT_VARIANT, DEFAULT_PATH = "v6", "lerp"
CATS = {Path(path).stem: path for path in example_cats()}
FIRST_A, FIRST_B = "naranja", "luna"  # what a fresh page shows


@dataclass(frozen=True)
class State:
    """What a link carries: two example cats by name (None: not an example), a model, 2 to 24 steps, "lerp" or "slerp",
    and whether the fur is that of the photos."""

    a: str | None = FIRST_A
    b: str | None = FIRST_B
    model: str = DEFAULT_VARIANT
    steps: int = DEFAULT_STEPS
    path: str = DEFAULT_PATH
    full: bool = True


def read_state(params: Mapping[str, object], models: Collection[str] = tuple(VARIANTS)) -> State:
    """The state that query parameters name; what is missing or wrong in them is as on a fresh page.

    `models` are the names of those that run; a fresh page shows v6, or the first where it does not.
    """
    first = DEFAULT_VARIANT if DEFAULT_VARIANT in models else next(iter(models))
    a, b, model, steps, path = (str(params.get(key, "")) for key in ("a", "b", "model", "steps", "path"))
    number = int(steps) if re.fullmatch("[0-9]{1,2}", steps) else 0
    return State(
        a if a in CATS else FIRST_A,
        b if b in CATS else FIRST_B,
        model if model in models else first,
        number if MIN_STEPS <= number <= MAX_STEPS else DEFAULT_STEPS,
        path if path in METHODS else DEFAULT_PATH,
        params.get("full") != "0",
    )


def example_name(path: str | bytes | None) -> str | None:
    """The name of the example that a file is, by its name and its content; None for any other file."""
    if not path or not isinstance(path, str):
        return None
    name = Path(path).stem
    same = name in CATS and Path(path).is_file() and filecmp.cmp(path, CATS[name], shallow=False)
    return name if same else None


def is_painted(name: str) -> bool:
    """Whether an example cat is a picture by our own models; the others are photos of real cats."""
    return name.startswith("kitten-")


def cat_title(name: str, words: Mapping[str, str]) -> str:
    """What an example cat is called."""
    if is_painted(name):
        return words["kitten"].format(number=int(name.partition("-")[2]))
    return words.get(f"name_{name}", name.capitalize())


def face_file(name: str) -> str:
    """The path of the face of an example cat, 64×64: beside a photo, with its name; a kitten is its own."""
    return str(Path(CATS[name]).with_suffix(".png"))


@cache
def example_face(name: str) -> Image.Image:
    """The face of an example cat, 64×64."""
    return open_image(face_file(name))


def app_link(address: str, state: State, page: str = "", lang: str | None = None) -> str:
    """The address of the page, or of another `page` of the app, in a state, in the language a visitor chose."""
    params = asdict(state)
    params["full"] = None if state.full else 0
    if state.path == DEFAULT_PATH:
        params["path"] = None
    params = {key: value for key, value in params.items() if value is not None}  # links are short
    if lang:
        params["lang"] = lang
    return f"{address}/{page}?{urlencode(params)}"


def iframe(address: str, state: State, lang: str | None = None) -> str:
    """HTML that shows the small page in a blog post, its title in that language or in English."""
    source = app_link(address, state, "embed", lang).replace("&", "&amp;")
    return (
        f'<iframe src="{source}" title="{TEXTS[lang or "en"]["card_title"]}" width="700" height="420"\n'
        '  style="border: 0; max-width: 100%" loading="lazy"></iframe>'
    )


def web_component(address: str) -> str:
    """HTML that shows the whole app in a blog post, as part of its page."""
    return (
        f'<script type="module" src="https://gradio.s3-us-west-2.amazonaws.com/{version("gradio")}/gradio.js"></script>\n'
        f'<gradio-app src="{address}"></gradio-app>'
    )


def app_address(url: str, headers: Mapping[str, str], root_path: str = "") -> str:
    """Where visitors reach the app, without a slash at the end, from its address in a request and the headers.

    `root_path` is the subpath that a proxy in front strips (`GRADIO_ROOT_PATH`), or a whole address.
    """
    if space := setting("SPACE_HOST"):
        return f"https://{space}"
    if root_path.startswith(("http://", "https://")):
        return root_path.rstrip("/")
    parts = urlsplit(url)
    host = headers.get("x-forwarded-host", parts.netloc).split(",")[0].strip()
    scheme = headers.get("x-forwarded-proto", parts.scheme).split(",")[0].strip()
    path = parts.path.rstrip("/")
    prefix = root_path.strip("/")
    if prefix and not f"{path}/".startswith(f"/{prefix}/"):
        path = f"/{prefix}{path}"
    return f"{scheme}://{host}{path}"
