// <kitten-compare>: all models at once on the two cats, moved by the one slider, beside a plain cross-fade and the best
// linear model at any β.

import {betaOf, columns, h, latest, percentOf, sentenceOf} from "./dom.js";
import {fade, newCanvas, paint} from "./draw.js";
import {everyBeta} from "./every-beta.js";
import {buildSlider} from "./morph.js";
import {Part, define} from "./part.js";

const CELL = 256, LARGE = 512;
const COLUMNS = 4; // at most
const FADE = ""; // in place of a model's name

/** Whether an element of the page is to be seen: nothing is asked for those who do not see it.
 * @param {Part} part @param {() => void} act is called each time it comes into view
 * @param {() => void} [left] is called where it is shown no more */
export function whenSeen(part, act, left = () => {}) {
  const watcher = new IntersectionObserver(entries => {
    if (entries.at(-1)?.isIntersecting) act();
    else if (!part.offsetParent) left();
  });
  watcher.observe(part);
  part.gone?.signal.addEventListener("abort", () => watcher.disconnect());
}

class Compare extends Part {
  static sheets = ["compare.css"];
  /** @type {Map<string, any> | null} */ ways = null;
  /** @type {{asked: string, a: any, b: any} | null} */ wanted = null;
  turn = 0;
  /** @type {any} */ pair = null;
  /** @type {any} */ large = null;
  /** @type {number | null} where Mix stood before */ mixAt = null;
  beta = 0.05; // of the linear model
  redraw = latest(() => this.draw());

  build() {
    const {words, store, parts} = this, {variants} = store.manifest, names = Object.keys(variants);
    parts.slider = buildSlider(this, words.compare_slider);
    parts.ends = ["a", "b"].map(side => newCanvas(128, {role: "img", "aria-label": words[`cat_${side}`]}));
    const end = (/** @type {number} */ i) => h("figure", {}, parts.ends[i], h("figcaption", {}, words[["cat_a", "cat_b"][i]]));
    parts.cells = new Map();
    const cell = (/** @type {string} */ name, /** @type {string} */ className, /** @type {any[]} */ label) => {
      parts.cells.set(name, newCanvas(CELL, {"aria-hidden": "true"}));
      return h("button", {type: "button", className, "data-model": name, title: words.enlarge, "aria-haspopup": "dialog", onclick: () => this.enlarge(name)}, parts.cells.get(name), h("span", {}, ...label));
    };
    const rows = names.map(name => {
      const {beta, painted, small} = variants[name], about = painted ? words.with_painter : small ? words.other_network : null;
      return cell(name, "row", [h("b", {}, name), ` ${betaOf(beta, store.language)} `, about && h("small", {}, about)]);
    });
    parts.rows = h("div", {className: "rows"}, rows, cell(FADE, "row fade", [h("b", {}, words.cross_fade), " ", h("small", {}, words.no_model)]));
    parts.rows.style.setProperty("--columns", columns(rows.length + 1, COLUMNS));
    parts.note = h("p", {className: "status", role: "status"});
    parts.numbers = h("div", {className: "numbers"});
    parts.every = everyBeta(this);
    this.wanted = null;
    this.large = null;
    return [h("div", {className: "compare"}, h("p", {className: "compare-intro"}, words.compare_intro),
      h("div", {className: "way"}, end(0), h("div", {className: "controls"}, parts.slider.parts), end(1)), parts.rows, parts.every.section), parts.note,
      this.hasAttribute("bare") ? null : parts.numbers].filter(Boolean);
  }

  listen() {
    this.on("share", () => {
      this.parts.slider.show();
      this.large?.slider.show();
      this.redraw();
    });
    for (const kind of ["shown", "words"]) this.on(kind, () => this.update());
    whenSeen(this, () => this.arrive(), () => this.leave());
  }

  get seen() {
    return this.isConnected && this.offsetParent !== null;
  }

  /** Nobody has moved the slider: it begins at cat A, where β shows most. */
  arrive() {
    const {store} = this;
    if (!store.touched && this.mixAt === null) {
      this.mixAt = store.share;
      this.move(0);
    }
    this.update();
  }

  /** Nobody has moved it here either: Mix is as it was. */
  leave() {
    if (this.mixAt !== null && !this.store.touched) this.move(this.mixAt);
    this.mixAt = null;
  }

  /** @param {number} share */
  move(share) {
    this.store.share = share;
    this.store.tell("share");
  }

  async update() {
    const {store, parts, words} = this, {state} = store;
    if (!this.seen || !state) return;
    parts.every.open();
    const {a, b, path} = state, asked = [store.engine.name, store.language, path].join();
    if (asked === this.wanted?.asked && a === this.wanted.a && b === this.wanted.b) return this.redraw();
    this.wanted = {asked, a, b};
    const turn = ++this.turn;
    this.setAttribute("aria-busy", "true");
    try {
      const {ways, numbers} = await store.engine.compare(a, b, path);
      if (turn !== this.turn) return;
      Object.assign(this, {ways, pair: [a, b]});
      parts.note.textContent = "";
      parts.numbers.innerHTML = numbers ?? ""; // drawn by the app, which escapes
      if (!numbers && !this.hasAttribute("bare")) parts.numbers.textContent = words.compare_server;
      this.redraw();
    } catch (error) {
      if (turn !== this.turn) return;
      console.warn("kitten-mixer:", error);
      parts.note.textContent = sentenceOf(error, words);
      this.wanted = this.ways = null; // not the cats before, which are not chosen now
    } finally {
      if (turn === this.turn) this.removeAttribute("aria-busy");
    }
  }

  async draw() {
    const {store, parts, ways} = this, {share} = store;
    if (!ways || !this.pair || !this.seen) return;
    const [a, b] = this.pair;
    const show = (/** @type {string} */ name, /** @type {import("./draw.js").Picture} */ picture) => {
      paint(parts.cells.get(name), picture);
      if (this.large?.name !== name) return;
      paint(this.large.canvas, picture);
      this.large.canvas.setAttribute("aria-label", `${this.large.title}: ${percentOf(share, this.words)}`);
    };
    for (const [name, way] of ways) {
      const [picture] = await way.at([share]);
      if (ways !== this.ways) return;
      if (parts.cells.has(name)) show(name, picture);
    }
    show(FADE, fade(a.face, b.face, share));
    parts.ends.forEach((/** @type {any} */ canvas, /** @type {number} */ i) => paint(canvas, this.pair[i].face));
    parts.every.draw(a.face, b.face, share);
    parts.rows.dataset.shown = String(Math.round(1000 * share));
    this.dispatchEvent(new CustomEvent("frame", {detail: {share}, bubbles: true, composed: true}));
  }

  /** One of the pictures, large, with the slider and the way to Mix. @param {string} name */
  enlarge(name) {
    const {words, store} = this, model = name !== FADE, title = model ? store.titleOf(name) : `${words.cross_fade}, ${words.no_model}`;
    const canvas = newCanvas(LARGE, {role: "img"}), slider = buildSlider(this, words.compare_slider);
    const open = h("button", {type: "button", className: "main", onclick: () => {
      dialog.close();
      this.open(name);
    }}, words.open_in_mix);
    const dialog = this.dialog("large", title, [canvas, h("div", {className: "controls"}, slider.parts), model && open].filter(Boolean), () => {
      this.large = null;
      dialog.remove();
    });
    this.large = {name, title, canvas, slider};
    this.root.append(dialog);
    dialog.showModal();
    this.redraw();
  }

  /** @param {string} model */
  open(model) {
    this.store.touched = true; // what was seen large is what Mix shows
    this.store.change({model});
    this.dispatchEvent(new CustomEvent("open-model", {bubbles: true, composed: true}));
  }
}

define({"kitten-compare": Compare});
