"""The head of the page: its name, the languages, where code, weights and post are."""

import gradio as gr

from catvae.files import address_setting, setting
from catvae.page.theme import i18n, static
from catvae.serving.texts import TEXTS
from catvae.serving.weights import Weights


def header_view(weights: Weights) -> gr.HTML:
    """The head; a link is there for what has an address."""
    return gr.HTML(
        i18n("header"),
        label=i18n("language"),
        html_template=static("header.html"),
        css_template=static("header.css"),
        js_on_load=None,
        languages=[[language, words["language_name"]] for language, words in TEXTS.items()],
        links=addresses(weights),
        elem_id="head",
        apply_default_css=False,
        padding=False,
    )


def addresses(weights: Weights) -> dict[str, str | None]:
    """Where code, weights and post are: `CATVAE_CODE` or the Space, the weights' repo, `CATVAE_POST`."""
    space, repo = setting("SPACE_ID"), weights.repo
    return {
        "code": address_setting("CATVAE_CODE")
        or (f"https://huggingface.co/spaces/{space}/tree/main" if space else None),
        "weights": f"https://huggingface.co/{repo}" if repo else None,
        "post": address_setting("CATVAE_POST"),
    }
