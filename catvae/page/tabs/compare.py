"""All six models side by side on the visitor's two cats, with the numbers behind the pictures."""

from html import escape

import gradio as gr
import torch
from PIL import Image

from catvae.images import data_uri
from catvae.mixing import Comparison, compare
from catvae.model import VARIANTS, by_beta
from catvae.page.picker import CatPicker, two_faces
from catvae.page.theme import i18n, when_seen
from catvae.serving.texts import TEXTS, language_of
from catvae.serving.weights import Weights

STYLE = """
.rows { display: grid; gap: 8px; }
.row { display: grid; grid-template-columns: 120px 1fr 190px; gap: 12px; align-items: center; width: 100%;
       padding: 8px 10px; border: 1px solid var(--border-color-primary); border-radius: 12px; cursor: pointer;
       background: var(--block-background-fill); color: var(--body-text-color); font: inherit; text-align: left; }
.row:hover, .row:focus-visible { border-color: var(--color-accent); outline: none; }
.row b { font-size: 17px; } .row small { display: block; opacity: .85; font-size: 13px; }
.row img { width: 100%; border-radius: 8px; display: block; }
.originals { display: flex; gap: 12px; align-items: center; margin: 0 0 4px 10px; }
.originals img { width: 72px; height: 72px; border-radius: 8px; }
.kept { display: grid; grid-template-columns: repeat(7, minmax(0, 1fr)); gap: 6px; max-width: 760px; margin-top: 6px; }
.kept figure { margin: 0; } .kept img { width: 100%; border-radius: 8px; display: block; }
.kept figcaption { font-size: 12px; text-align: center; }
h3 { margin: 18px 0 4px; font-size: 17px; } p { margin: 4px 0; }
svg { width: 100%; max-width: 640px; height: auto; } svg text { fill: var(--body-text-color); font-size: 13px; }
table { border-collapse: collapse; font-size: 14px; font-variant-numeric: tabular-nums; }
.scroll { overflow-x: auto; }
th, td { padding: 3px 10px; text-align: right; } th:first-child, td:first-child { text-align: left; }
@media (max-width: 640px) {
  .row { grid-template-columns: 1fr; gap: 6px; } .row small { display: inline; margin-right: 8px; }
  .kept { grid-template-columns: repeat(4, minmax(0, 1fr)); }
}
"""

SCRIPT = """
element.addEventListener('click', event => {
  const row = event.target.closest('[data-model]');
  if (row) trigger('click', {model: row.dataset.model});
});
"""


def compare_tab(
    weights: Weights, model: gr.Dropdown, tabs: gr.Tabs, tab: gr.Tab, cat_a: CatPicker, cat_b: CatPicker
) -> None:
    """The contents of `tab`, drawn when it is opened, and anew for other cats while it is open.

    A click on a row opens that model in the tab "mix".
    """
    gr.Markdown(i18n("compare_intro"))
    view = gr.HTML(html_template="${value || ''}", css_template=STYLE, js_on_load=SCRIPT, elem_id="compare")

    def draw(image_a: str, image_b: str, request: gr.Request) -> str:
        texts = TEXTS[language_of(request.headers)]
        current = weights.current
        faces = two_faces(image_a, image_b, texts)
        return format_page(compare(current.models, faces), faces, current.metrics, texts)

    def open_model(event: gr.EventData) -> tuple[gr.Dropdown, gr.Tabs]:
        name = event._data.get("model") if isinstance(event._data, dict) else None
        return (gr.Dropdown(value=name), gr.Tabs(selected="mix")) if name in VARIANTS else (gr.skip(),) * 2

    faces = [cat_a.face, cat_b.face]
    private = {"api_visibility": "private", "show_progress": "minimal"}
    seen = when_seen([face.change for face in faces], "#compare")
    gr.on([tab.select, seen.change], draw, faces, view, trigger_mode="always_last", **private)
    view.click(open_model, None, [model, tabs], **private)


def format_page(rows: dict[str, Comparison], faces: list[Image.Image], metrics: dict, texts: dict[str, str]) -> str:
    """The comparison as HTML: a row of frames per model, what each keeps of both cats, numbers, and the plot."""
    names = [texts["cat_a"], texts["cat_b"]]
    originals = "".join(f'<img src="{data_uri(f)}" alt="{escape(n)}">' for f, n in zip(faces, names, strict=True))
    lines = "".join(
        f'<button type="button" class="row" data-model="{name}" title="{escape(texts["open_in_mix"])} {name}">'
        f"<span><b>{name}</b> · β = {row.beta:g}</span>"
        f'<img src="{data_uri(enlarge(row.strip), "WEBP", quality=90)}" alt="{escape(texts["result"])}, {name}">'
        f"<span><small>PSNR {row.psnr:.1f} dB</small>"
        f"<small>KL {row.kl:.0f} {texts['nats']}</small></span></button>"
        for name, row in rows.items()
    )
    kept = "".join(
        '<div class="kept">'
        + f'<figure><img src="{data_uri(faces[i])}" alt=""><figcaption>{escape(names[i])}</figcaption></figure>'
        + "".join(
            f'<figure><img src="{data_uri(row.faces[i])}" alt="{escape(names[i])}, {name}">'
            f"<figcaption>{name}</figcaption></figure>"
            for name, row in rows.items()
        )
        + "</div>"
        for i in (0, 1)
    )
    return (
        f'<div class="originals">{originals}</div><div class="rows">{lines}</div>'
        f"<p><small>{texts['compare_sentence']}</small></p>"
        f"<h3>{texts['what_is_kept']}</h3>{kept}"
        f"<h3>{texts['the_numbers']}</h3>{format_numbers(rows, metrics, texts)}"
        f"<h3>{texts['rate_distortion']}</h3>{plot(metrics, texts)}"
        f"<h3>{texts['v3_title']}</h3><p>{texts['v3_story']}</p>"
    )


def format_numbers(rows: dict[str, Comparison], metrics: dict, texts: dict[str, str]) -> str:
    """PSNR, KL and active units, on these two cats and on the validation set, as an HTML table."""
    head = "".join(
        f"<th>{text}</th>"
        for text in ("", "β", *(texts[key] for key in ("psnr_here", "kl_here", "psnr_all", "kl_all", "active")))
    )
    body = ""
    for name, row in rows.items():
        known = metrics.get(name)
        of_all = f"{known['psnr']:.1f}|{known['kl']:.0f}|{known['active_units']}".split("|") if known else ["–"] * 3
        cells = [name, f"{row.beta:g}", f"{row.psnr:.1f}", f"{row.kl:.0f}", *of_all]
        body += "<tr>" + "".join(f"<td>{cell}</td>" for cell in cells) + "</tr>"
    attributes = f'class="scroll" role="region" tabindex="0" aria-label="{escape(texts["the_numbers"])}"'
    return f"<div {attributes}><table><tr>{head}</tr>{body}</table></div>"


def plot(metrics: dict, texts: dict[str, str], width: int = 640, height: int = 300) -> str:
    """Rate (KL, nats, logarithmic) against distortion (PSNR, dB) of the six models, as SVG."""
    points = {name: (metrics[name]["kl"], metrics[name]["psnr"]) for name in by_beta(metrics)}
    if len(points) < 2:
        return ""
    rates, values = (torch.tensor(column) for column in zip(*points.values(), strict=True))
    low, high = rates.min().log().item() - 0.2, rates.max().log().item() + 0.4
    bottom, top = values.min().item() - 0.7, values.max().item() + 0.7

    def place(rate: float, value: float) -> tuple[float, float]:
        x = 50 + (width - 70) * (torch.tensor(rate).log().item() - low) / (high - low)
        return x, height - 45 - (height - 65) * (value - bottom) / (top - bottom)

    ticks = "".join(
        f'<text x="{place(rate, bottom)[0]:.0f}" y="{height - 26}" text-anchor="middle">{rate}</text>'
        for rate in (50, 100, 200, 500, 1000, 2000)
        if low < torch.tensor(float(rate)).log() < high
    ) + "".join(
        f'<text x="40" y="{place(rates[0].item(), value)[1] + 4:.0f}" text-anchor="end">{value}</text>'
        for value in range(int(bottom) + 1, int(top) + 1)
    )
    dots = ""
    for name, point in points.items():
        x, y = place(*point)
        beside = f'x="{x - 10:.0f}" text-anchor="end"' if x > width / 2 else f'x="{x + 10:.0f}"'
        below = y + 18 if name == "v3" else y - 8  # v1 has the same β, and is next to it
        dots += f'<circle cx="{x:.0f}" cy="{y:.0f}" r="6" fill="var(--color-accent)"/>'
        dots += f'<text {beside} y="{below:.0f}">{name} · β {VARIANTS[name].beta:g}</text>'
    axes = f'<path d="M50 10V{height - 45}H{width - 10}" fill="none" stroke="currentColor" opacity=".4"/>'
    label = escape(texts["rate_distortion"])
    return (
        f'<svg viewBox="0 0 {width} {height}" role="img" aria-label="{label}">{axes}{ticks}{dots}'
        f'<text x="{width / 2:.0f}" y="{height - 6}" text-anchor="middle">{texts["rate_axis"]}</text>'
        f'<text x="58" y="18">{texts["distortion_axis"]}</text></svg>'
    )


def enlarge(strip: Image.Image, times: int = 2) -> Image.Image:
    return strip.resize((strip.width * times, strip.height * times), Image.Resampling.BICUBIC)
