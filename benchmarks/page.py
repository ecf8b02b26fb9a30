"""Speed as one visitor feels it: starts the app, opens its page in Chromium and changes model and steps; prints times.

python -m benchmarks.page                 # with the fur of the photos, as a visitor finds it
python -m benchmarks.page --models-alone  # without, as before there was full size
"""

import argparse
import shutil
from collections.abc import Iterator
from itertools import pairwise

import numpy as np
from playwright.sync_api import Browser, Page, sync_playwright

from benchmarks.load import running_app

MODELS = ("v1", "v2", "v3", "v4", "v5", "v6")
STEPS = range(2, 25)

# In the page: when it was asked last (a click or a key), when the morph was drawn first and last, and each
# question to the server with the time of its answer. All in milliseconds since navigation started.
WATCH = """
let asked = 0, drawn = 0, jobs = new Map(), gets = 0;
for (const kind of ['mousedown', 'input', 'keydown'])
  addEventListener(kind, () => { asked = performance.now(); jobs.clear(); gets = 0; }, true);
const draw = CanvasRenderingContext2D.prototype.drawImage;
CanvasRenderingContext2D.prototype.drawImage = function (...what) {
  drawn = performance.now();
  window.firstDrawn ??= drawn;
  look();
  return draw.apply(this, what);
};
const send = window.fetch;
window.fetch = async (address, options) => {
  const begun = performance.now();
  const answer = await send(address, options);
  const url = String(address.url ?? address);
  if (url.includes('/queue/join')) {
    const {event_id} = await answer.clone().json();
    jobs.set(event_id, {begun});
  } else if (url.includes('/run/predict') || url.includes('/web/ask/')) {
    await answer.clone().blob();
    jobs.set(url + begun, {begun, ended: performance.now()});
  } else if (url.includes('/queue/data')) {
    read(answer.clone().body.pipeThrough(new TextDecoderStream()).getReader());
  }
  return answer;
};
async function read(reader) {
  let text = '';
  for (;;) {
    const {value, done} = await reader.read();
    if (done) return;
    const messages = (text + value).split('\\n\\n');
    text = messages.pop();
    for (const message of messages.filter(m => m.includes('"process_completed"'))) {
      const ended = performance.now(), {event_id} = JSON.parse(message.slice(message.indexOf('{')));
      const note = () => jobs.has(event_id) ? jobs.get(event_id).ended = ended : setTimeout(note, 5);
      note();
    }
  }
}
new PerformanceObserver(list => window.firstPicture ??= list.getEntries()[0].renderTime)
  .observe({type: 'element', buffered: true});
new PerformanceObserver(list => gets += list.getEntries().filter(e => e.initiatorType === 'img').length)
  .observe({type: 'resource'});
const frames = () => [...document.querySelector('#mix kitten-gallery')?.shadowRoot?.querySelectorAll('canvas') ?? []];
const sources = () => frames().map(canvas => canvas.id ||= Math.random()).join();  // other frames are other canvases
let look = () => {};
const watch = () => { look(); requestAnimationFrame(watch); };
requestAnimationFrame(watch);
window.expectChange = morph => {
  const before = sources();
  window.change = new Promise((resolve, reject) => {
    setTimeout(() => reject(new Error('no change in 20 s')), 20000);
    look = async () => {
      if (sources() === before || !frames().length || (morph && drawn < asked)) return;
      look = () => {};
      requestAnimationFrame(() => {  // drawn
        const answered = [...jobs.values()].map(job => job.ended - job.begun).filter(time => time);
        resolve({page: performance.now() - asked, server: Math.max(0, ...answered), asks: jobs.size, pictures: gets});
      });
    };
  });
};
"""


def open_page(browser: Browser, url: str) -> Page:
    """A fresh visitor's page, once all of it is there."""
    page = browser.new_context(viewport={"width": 1280, "height": 900}, locale="en-US").new_page()
    page.add_init_script(f"(() => {{ {WATCH} }})()")
    page.goto(url)
    page.wait_for_function("window.firstDrawn")
    page.wait_for_function("document.querySelectorAll('#mix kitten-gallery').length === 1")
    page.locator("#mix canvas").nth(10).wait_for()
    page.locator("#more summary").click()  # model and steps
    page.wait_for_timeout(500)
    return page


def change(page: Page, act, morph: bool) -> dict[str, float]:
    """What one change took: ms until the page showed it, ms of the slowest answer, questions, pictures fetched."""
    page.evaluate("morph => expectChange(morph)", morph)
    act()
    times = page.evaluate("() => window.change")
    page.wait_for_timeout(150)  # what else it asks is not the next change's time
    return times


def choose_model(page: Page, name: str) -> dict[str, float]:
    page.locator("#model input").click()
    return change(page, lambda: page.locator(f"#model [role=option][aria-label^='{name} ']").click(), morph=True)


def choose_cat(page: Page, number: int) -> None:
    page.locator("kitten-cat .more").first.click()
    cat = page.locator(f"kitten-cat .shelf [data-cat=kitten-{number + 1:02}]").first
    page.evaluate("() => expectChange(true)")
    cat.click()
    page.evaluate("() => window.change")
    page.wait_for_timeout(500)


def change_models(page: Page, rounds: int) -> Iterator[dict[str, float]]:
    """Five models for each of as many cats."""
    now = page.locator("#model input").input_value()[:2]
    for number in range(rounds):
        choose_cat(page, 4 + number)
        for name in [name for name in MODELS if name != now]:
            yield choose_model(page, name)
            now = name


def change_steps(page: Page, models: tuple[str, ...]) -> Iterator[dict[str, float]]:
    """From 2 to 24 steps, one at a time, with each of the models."""
    slider = page.locator("#steps input[type=range]")
    for name in models:
        if not page.locator("#model input").input_value().startswith(name):
            choose_model(page, name)
        if slider.input_value() != "2":
            change(page, lambda: slider.press("Home"), morph=False)
        for _ in pairwise(STEPS):
            yield change(page, lambda: slider.press("ArrowRight"), morph=False)


def line(name: str, times: list[dict[str, float]]) -> str:
    columns = [np.percentile([row[key] for row in times], [50, 95]) for key in ("page", "server")]
    each = [np.mean([row[key] for row in times]) for key in ("asks", "pictures")]
    cells = [f"{value:7.0f}" for pair in columns for value in pair] + [f"{value:9.1f}" for value in each]
    return f"{name:22}{len(times):4}" + "".join(cells)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=8, help="cats of which five models are asked each")
    parser.add_argument("--models-alone", action="store_true", help="the models' pictures without the photos' fur")
    args = parser.parse_args()
    with running_app(CATVAE_RATE="1000") as (url, _), sync_playwright() as playwright:
        browser = playwright.chromium.launch(
            executable_path=shutil.which("chromium"), args=["--no-sandbox", "--disable-gpu"]
        )
        opened = []
        for _ in range(6):  # the first warms the app
            page = open_page(browser, url)
            opened.append(page.evaluate("[firstPicture, firstDrawn]"))
            if len(opened) < 6:
                page.context.close()
        if args.models_alone:
            page.locator("kitten-morph [role=switch]").first.click()
            page.wait_for_timeout(500)
        for name, times in zip(("first picture", "morph to play with"), zip(*opened[1:], strict=True), strict=True):
            p50, p95 = np.percentile(times, [50, 95])
            print(f"{name}: p50 {p50:.0f} ms, p95 {p95:.0f} ms after opening the page, of {len(times)} times")
        print(f"{'':22}{'':4}    page  (ms)  server (ms)    asks  pictures\n{'':29}p50    p95    p50    p95")
        for name in ("model", "the same again"):
            print(line(name, list(change_models(page, args.rounds))), flush=True)
        for name in ("steps", "the same again"):
            print(line(name, list(change_steps(page, ("v6", "v2")))), flush=True)
        browser.close()


if __name__ == "__main__":
    main()
