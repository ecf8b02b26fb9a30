"""How the page looks and speaks: theme, static files, templates, languages."""

from functools import cache
from pathlib import Path
from typing import Any

import gradio as gr
import jinja2

from catvae.serving.texts import TEXTS

STATIC = Path(__file__).parent / "static"
TEMPLATES = jinja2.Environment(
    loader=jinja2.FileSystemLoader(STATIC), autoescape=True, undefined=jinja2.StrictUndefined
)

i18n = gr.I18n(**TEXTS)


@cache
def static(name: str) -> str:
    """The text of a style sheet, script or template in `static/`."""
    return (STATIC / name).read_text(encoding="utf-8")


def render(name: str, **values: object) -> str:
    """HTML from the Jinja template of that name in `static/`; values are escaped."""
    return TEMPLATES.get_template(name).render(**values)


THEME = gr.themes.Soft(
    primary_hue="orange",
    secondary_hue="amber",
    neutral_hue="stone",
    font=["ui-rounded", "Nunito", "system-ui", "sans-serif"],
    font_mono=["ui-monospace", "monospace"],
).set(  # contrast of at least 4.5 to 1 (WCAG AA)
    link_text_color="*primary_800",
    link_text_color_hover="*primary_900",
    link_text_color_dark="*primary_300",
    block_label_text_color="*primary_800",
    block_title_text_color="*primary_800",
    body_text_color_subdued="*neutral_600",
    body_text_color_subdued_dark="*neutral_300",
    block_info_text_color="*neutral_600",
    block_info_text_color_dark="*neutral_300",
    block_label_background_fill_dark="*primary_800",
    block_title_background_fill_dark="*primary_800",
    # panels and buttons with an edge
    block_border_width="1px",
    block_border_color="*neutral_300",
    block_border_color_dark="*neutral_700",
    button_border_width="1px",
    button_secondary_border_color="*neutral_400",
    button_secondary_border_color_dark="*neutral_500",
    input_border_width="1px",
    input_border_color="*neutral_300",
    input_border_color_dark="*neutral_600",
    checkbox_label_background_fill_selected="*primary_700",
    checkbox_label_background_fill_selected_dark="*primary_700",
)


def element(html: str, **options: Any) -> gr.HTML:
    """A place for elements of the front."""
    return gr.HTML(html_template=html, js_on_load=None, apply_default_css=False, padding=False, **options)
