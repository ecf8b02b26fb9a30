"""Every word a visitor reads, from `words/`: a language is one file there."""

import tomllib
from collections.abc import Mapping
from pathlib import Path

TEXTS: dict[str, dict[str, str]] = {
    path.stem: tomllib.loads(path.read_text(encoding="utf-8"))
    for path in sorted((Path(__file__).parent / "words").glob("*.toml"))
}


def language_of(headers: Mapping[str, str]) -> str:
    """The visitor's language, English where it is none of ours, from the browser's Accept-Language header.

    The first one listed decides, as it does for the words that Gradio translates in the browser.
    """
    first = headers.get("accept-language", "").strip()[:2].lower()
    return first if first in TEXTS else "en"


def written(value: float, words: Mapping[str, str], digits: int | None = None) -> str:
    """A number as the language writes it (0.005 and 1,342; 0,005 and 1342), with `digits` or enough decimals."""
    text = f"{value:,g}" if digits is None else f"{value:,.{digits}f}"
    mark = words["decimal_mark"]
    return text.replace(",", "" if mark == "," else ",").replace(".", mark)
