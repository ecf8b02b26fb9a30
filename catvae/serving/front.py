"""What pages need beside the modules of `catvae/web`: words, styles, faces, and what there is to mix."""

import json
import re
from collections.abc import Mapping
from dataclasses import replace
from functools import cache
from importlib.metadata import version
from math import isfinite
from pathlib import Path
from typing import Any

from catvae.files import PACKAGE
from catvae.images import make_strip, to_bytes
from catvae.latents import load_dials
from catvae.model import VARIANTS, CatVAE, VAEConfig, beta_of, is_variant
from catvae.photos.decode import MAX_MEGABYTES
from catvae.serving.links import (
    CATS,
    DEFAULT_STEPS,
    DEFAULT_VARIANT,
    FIRST_A,
    FIRST_B,
    MAX_STEPS,
    MIN_STEPS,
    example_face,
    is_painted,
)
from catvae.serving.texts import TEXTS

WEB = PACKAGE / "web"
STYLES = ("mixer.css", "page.css")
SPRITE = "cats.webp"
REACH = 3.0  # units of a dial to either side
FAMILIES = (
    "cat_",
    "cats_",
    "dial_",
    "model_",
    "name_",
    "path_",
    "save_",
    "web_",
)  # of words whose names are put together


def style(name: str) -> str:
    """A style sheet of the front, with the colours before it."""
    return (WEB / "colours.css").read_text(encoding="utf-8") + (WEB / name).read_text(encoding="utf-8")


@cache
def words_used() -> frozenset[str]:
    """The keys of all words that the modules, or the page around them, may say."""
    sources = [*WEB.rglob("*.js"), WEB / "index.html"]
    named = set(re.findall(r"\w+", " ".join(path.read_text(encoding="utf-8") for path in sources)))
    return frozenset(key for key in TEXTS["en"] if key in named or key.startswith(FAMILIES))


@cache
def words_module(engine: str) -> str:
    """`words.js`: the words of every language, and which engine ("local" or "remote") the modules beside it ask."""
    words = {language: {key: texts[key] for key in words_used()} for language, texts in TEXTS.items()}
    content = json.dumps(words, ensure_ascii=False, sort_keys=True)
    return f'export const engine = "{engine}";\nexport default {content};\n'


def dialled(models: Mapping[str, CatVAE]) -> list[str]:
    """Which models have the latents that the dials turn, those first that paint."""
    known = [name for name, model in models.items() if load_dials().fit(model)]
    return sorted(known, key=lambda name: models[name].painter is None)


# whose latents the dials turn
MADE_FOR = ["v6", *(name for name, variant in VARIANTS.items() if variant.over == "v6")]


def dials_of(models: Mapping[str, CatVAE]) -> dict[str, Any]:
    """What there is to know of the dials: their names, their reach, the breeds that are told apart and how well, and
    by which models, the one that paints first."""
    dials = load_dials()
    return {
        "names": dials.names,
        "reach": REACH,
        "breeds": dials.breeds,
        "accuracy": dials.accuracy,
        "models": dialled(models),
        "made_for": MADE_FOR,
    }


def manifest_of(models: Mapping[str, CatVAE], metrics: Mapping[str, Mapping[str, Any]]) -> dict[str, Any]:
    """What there is to mix: the models, each with its KL in nats where `metrics` tell it, the example cats, those with
    photos, bounds and first choices."""
    return {
        "first": {
            "a": FIRST_A,
            "b": FIRST_B,
            "model": DEFAULT_VARIANT if DEFAULT_VARIANT in models else next(iter(models)),
        },
        "steps": {"min": MIN_STEPS, "max": MAX_STEPS, "first": DEFAULT_STEPS},
        "variants": {
            name: {
                "beta": beta_of(name, model),
                "kl": nats_of(metrics.get(name, {})),
                "latents": model.config.latent_dim,
                "channels": model.config.channels,
                "painted": model.painter is not None,
                "told": is_variant(name, model),  # one of ours, for which there are words
                "small": replace(model.config, painter=None) != VAEConfig(),
            }
            for name, model in models.items()
        },
        "cats": list(CATS),
        "photos": [name for name in CATS if not is_painted(name)],
        "megabytes": MAX_MEGABYTES,
        "films": ["gif"],
        "dials": dials_of(models),
    }


def nats_of(figures: Mapping[str, Any]) -> float | None:
    """The KL that evaluation has measured; None where there is no such number."""
    kl = figures.get("kl")
    return kl if isinstance(kl, (int, float)) and isfinite(kl) else None


@cache
def sprite() -> bytes:
    """The faces of the example cats side by side, each 64×64, as WebP."""
    return to_bytes(make_strip([example_face(name) for name in CATS]), "WEBP", quality=60, method=6)


def gradio_version() -> str:
    """Which Gradio shows the app, and in other pages as a web component."""
    return version("gradio")


def photo_of(name: str) -> Path:
    """The photo of an example cat."""
    return Path(CATS[name])
