// <kitten-compare>: all models at once on the two cats, moved by the one slider, beside a plain cross-fade.

import {asMixerError, h, latest} from "./dom.js";
import {fade, newCanvas, paint} from "./draw.js";
import {buildSlider} from "./morph.js";
import {Part} from "./part.js";

const CELL = 256;

/** β as the language writes it. @param {number | null} beta @param {string} language */
export const betaOf = (beta, language) =>
  beta === null ? "" : `β = ${new Intl.NumberFormat(language, {maximumSignificantDigits: 3}).format(beta)}`;

/** Whether an element of the page is to be seen: nothing is asked for those who do not see it.
 * @param {Part} part @param {() => void} act is called each time it comes into view */
export function whenSeen(part, act) {
  const watcher = new IntersectionObserver(entries => {
    if (entries.at(-1)?.isIntersecting) act();
  });
  watcher.observe(part);
  part.gone?.signal.addEventListener("abort", () => watcher.disconnect());
}

export class Compare extends Part {
  /** @type {any} */ parts = {};
  /** @type {Map<string, any> | null} */ ways = null;
  asked = "";
  turn = 0;
  /** @type {any} */ pair = null;
  redraw = latest(() => this.draw());

  build() {
    const {words, store, parts} = this, {variants} = store.manifest;
    parts.slider = buildSlider(this, words.compare_slider);
    parts.ends = ["a", "b"].map(side => newCanvas(128, {role: "img", "aria-label": words[`cat_${side}`]}));
    const end = (/** @type {number} */ i) => h("figure", {}, parts.ends[i], h("figcaption", {}, words[["cat_a", "cat_b"][i]]));
    parts.cells = new Map(Object.keys(variants).map(name => [name, newCanvas(CELL, {"aria-hidden": "true"})]));
    parts.fade = newCanvas(CELL, {"aria-hidden": "true"});
    const rows = [...parts.cells].map(([name, canvas]) => {
      const {beta, painted, small} = variants[name], about = painted ? words.with_painter : small ? words.other_network : null;
      return h("button", {type: "button", className: "row", "data-model": name, title: `${words.open_in_mix} ${name}`, onclick: () => this.open(name)},
        canvas, h("b", {}, name), " ", h("span", {}, betaOf(beta, store.language)), about && [" ", h("small", {}, about)]);
    });
    parts.rows = h("div", {className: "rows"}, rows, h("figure", {className: "fade"}, parts.fade,
      h("figcaption", {}, h("b", {}, words.cross_fade), " ", h("small", {}, words.no_model))));
    parts.rows.style.setProperty("--columns", rows.length + 1);
    parts.note = h("p", {className: "status", role: "status"});
    parts.numbers = h("div", {className: "numbers"});
    this.asked = "";
    return [h("div", {className: "way"}, end(0), h("div", {className: "controls"}, parts.slider.parts), end(1)), parts.rows, parts.note,
      this.hasAttribute("bare") ? null : parts.numbers].filter(Boolean);
  }

  listen() {
    this.on("share", () => {
      this.parts.slider.show();
      this.redraw();
    });
    for (const kind of ["shown", "words"]) this.on(kind, () => this.update());
    whenSeen(this, () => this.update());
  }

  get seen() {
    return this.isConnected && this.offsetParent !== null;
  }

  async update() {
    const {store, parts, words} = this, {state} = store;
    if (!this.seen || !state) return;
    const {a, b, path} = state, asked = [store.engine.name, store.language, path].join();
    if (asked === this.asked && this.pair?.[0] === a && this.pair[1] === b) return this.redraw();
    const turn = ++this.turn;
    this.setAttribute("aria-busy", "true");
    try {
      const {ways, numbers} = await store.engine.compare(a, b, path);
      if (turn !== this.turn) return;
      Object.assign(this, {ways, asked, pair: [a, b]});
      parts.note.textContent = "";
      parts.numbers.innerHTML = numbers ?? ""; // drawn by the app, which escapes
      if (!numbers && !this.hasAttribute("bare")) parts.numbers.textContent = words.compare_server;
      this.redraw();
    } catch (error) {
      if (turn !== this.turn) return;
      const {kind, message} = asMixerError(error);
      console.warn("kitten-mixer:", error);
      parts.note.textContent = kind === "refused" ? message : kind === "busy" ? words.no_answer : words[`web_${kind}`];
      this.ways = null; // not the cats before, which are not chosen now
    } finally {
      if (turn === this.turn) this.removeAttribute("aria-busy");
    }
  }

  async draw() {
    const {store, parts, ways} = this, {share} = store;
    if (!ways || !this.pair || !this.seen) return;
    const [a, b] = this.pair;
    for (const [name, way] of ways) {
      const [picture] = await way.at([share]);
      if (ways !== this.ways) return;
      const canvas = parts.cells.get(name);
      if (canvas) paint(canvas, picture);
    }
    paint(parts.fade, fade(a.face, b.face, share));
    parts.ends.forEach((/** @type {any} */ canvas, /** @type {number} */ i) => paint(canvas, this.pair[i].face));
    parts.rows.dataset.shown = String(Math.round(1000 * share));
    this.dispatchEvent(new CustomEvent("frame", {detail: {share}, bubbles: true, composed: true}));
  }

  /** @param {string} model */
  open(model) {
    this.store.change({model});
    this.dispatchEvent(new CustomEvent("open-model", {bubbles: true, composed: true}));
  }
}
