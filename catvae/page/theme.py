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


# one orange that is read on white, 5.2 to 1, with its tints; and that of dark pages, 400
ORANGE = gr.themes.Color(
    name="orange",
    c50="#fff7ed",
    c100="#ffedd5",
    c200="#fed7aa",
    c300="#fdba74",
    c400="#fb923c",
    c500="#c2410c",
    c600="#c2410c",
    c700="#c2410c",
    c800="#9a3412",
    c900="#7c2d12",
    c950="#431407",
)
LETTERS = gr.themes.Size(name="letters", xxs="12px", xs="12px", sm="12px", md="14px", lg="16px", xl="22px", xxl="22px")
SPACES = gr.themes.Size(name="spaces", xxs="2px", xs="4px", sm="4px", md="8px", lg="8px", xl="8px", xxl="16px")
THEME = gr.themes.Soft(
    primary_hue=ORANGE,
    secondary_hue=ORANGE,
    neutral_hue="stone",
    text_size=LETTERS,
    spacing_size=SPACES,
    font=["ui-rounded", "Nunito", "system-ui", "sans-serif"],
    font_mono=["ui-monospace", "monospace"],
).set(  # contrast of at least 4.5 to 1 (WCAG AA)
    link_text_color="*primary_700",
    link_text_color_hover="*primary_800",
    link_text_color_dark="*primary_400",
    block_label_text_color="*body_text_color",
    block_title_text_color="*body_text_color",
    body_text_color_subdued="*neutral_600",
    body_text_color_subdued_dark="*neutral_300",
    block_info_text_color="*neutral_600",
    block_info_text_color_dark="*neutral_300",
    block_label_background_fill_dark="*neutral_700",
    block_title_background_fill_dark="*neutral_700",
    slider_color_dark="*primary_400",
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
