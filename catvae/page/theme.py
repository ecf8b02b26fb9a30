"""How the page looks and speaks: theme, style sheet, languages."""

from collections.abc import Sequence

import gradio as gr

from catvae.serving.texts import TEXTS

i18n = gr.I18n(**TEXTS)

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
    checkbox_label_background_fill_selected="*primary_700",
    checkbox_label_background_fill_selected_dark="*primary_700",
)


def when_seen(triggers: Sequence, selector: str) -> gr.Number:
    """Something whose `change` says that one of `triggers` fired while an element was to be seen.

    Told in the browser, so that nothing is asked of the server for those who do not see the element.
    """
    seen = gr.Number(0, visible="hidden")
    count = f"count => document.querySelector('{selector}')?.offsetParent ? count + 1 : count"
    gr.on(triggers, None, seen, seen, js=count, api_visibility="private", show_progress="hidden")
    return seen


CSS = """
.gradio-container { max-width: 1200px !important; width: 100%; margin-inline: auto !important; }
#cats { flex-wrap: nowrap; }
.cat, .cat > * { min-width: 0 !important; }
#cats .photo { height: clamp(170px, 42vw, 220px) !important; }
#cats .photo img { object-fit: cover; }
.cat .gallery {
    display: grid; grid-template-rows: repeat(2, 60px); grid-auto-flow: column; grid-auto-columns: 60px;
    gap: 6px; overflow-x: auto; padding-bottom: 6px;
}
.cat .gallery-item, .cat .gallery-item > *, .cat .gallery-item img {
    width: 60px !important; height: 60px !important; object-fit: cover;
}
.tools { gap: 8px; }
#map .html-container, #sum .html-container, #lesson .html-container { padding: 0; }
.idle { display: none !important; }
.found { align-items: center; gap: 8px; flex-wrap: nowrap !important; padding: 0 !important; }
.found .face { flex: none !important; width: 72px !important; height: 72px !important; min-width: 72px !important; }
.found .face img { width: 72px; height: 72px; border-radius: 8px; }
.found .note, .found .note p { font-size: 13px; line-height: 1.3; }
.found > .note, .found > :last-child { min-width: 0 !important; }
.choices { gap: 8px; }
.choices button { min-width: 0; }
#model input, #explore-model input { text-overflow: ellipsis; padding-right: 1.5em; }
#surprises button, #saves button { min-width: 120px !important; }
#lesson { max-width: 720px; margin-inline: auto; }
#lesson figure { margin: 8px 0; }
#lesson figure img { width: 100%; border-radius: 12px; margin: 0; }
#lesson figcaption, #lesson .caption { margin: 8px 0 0; font-size: 14px; opacity: 0.8; }
#results table { width: 100%; margin: 0; font-variant-numeric: tabular-nums; }
#results th, #results td { padding: 6px 4px; text-align: right; border-width: 0 0 1px; white-space: normal; }
#results th:first-child { text-align: left; }
#tabs button.selected { color: var(--link-text-color); }  /* the accent is too pale for small letters */
@media (max-width: 480px) {
    #tabs .tab-container button { padding-inline: 4px; font-size: 12.5px; }  /* all four at once */
    #results table { font-size: 12px; }
    #results th, #results td { padding-inline: 2px; }
}
"""
