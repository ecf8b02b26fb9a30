// <kitten-map> and <kitten-sum>: a map of the examples and sums of them, which the app draws.

import {asMixerError, h, latest, percentOf, shares} from "./dom.js";
import {newCanvas, paint} from "./draw.js";
import {whenSeen} from "./compare.js";
import {Part} from "./part.js";
import {FRAME} from "./state.js";

const WAY = 7; // frames under the map
const FIRST_SUM = [14, 2, 11]; // black and white - black + tabby: a tabby with a white snout

/** A part whose inside the app draws, anew for each question, where it is seen. */
class Drawn extends Part {
  /** @type {any} */ parts = {};
  asked = "";
  /** @type {any} */ pair = null;

  /** What to draw, and of what. @returns {[string, any]} */
  get question() {
    return ["", {}];
  }

  build() {
    this.asked = "";
    this.parts.inside = h("div");
    this.parts.note = h("p", {className: "status", role: "status"});
    return [this.parts.inside, this.parts.note];
  }

  listen() {
    for (const kind of ["shown", "words"]) this.on(kind, () => this.update());
    whenSeen(this, () => this.update());
  }

  async update() {
    const {store, parts} = this;
    if (!this.offsetParent || !store.state) return;
    const [what, {a, b, ...rest}] = this.question, asked = JSON.stringify([rest, store.language]);
    if (asked === this.asked && this.pair?.[0] === a && this.pair?.[1] === b) return;
    Object.assign(this, {asked, pair: [a, b]});
    try {
      const html = await store.engine.drawn?.(what, {...rest, ...(a ? {a, b} : {})});
      if (asked !== this.asked || this.pair[0] !== a || this.pair[1] !== b) return;
      const at = [...parts.inside.querySelectorAll("button")].indexOf(/** @type {any} */ (this.root.activeElement));
      parts.inside.innerHTML = html ?? ""; // drawn by the app, which escapes
      parts.inside.querySelectorAll("button")[at]?.focus();
      parts.note.textContent = html === undefined ? this.words.explore_server : "";
      this.drawn();
    } catch (error) {
      const {kind, message} = asMixerError(error);
      console.warn("kitten-mixer:", error);
      this.asked = "";
      parts.note.textContent = kind === "refused" ? message : this.words.no_answer;
    }
  }

  drawn() {}
}

export class CatMap extends Drawn {
  turn = /** @type {"a" | "b"} */ ("a");

  /** @returns {[string, any]} */
  get question() {
    const {a, b, model} = /** @type {any} */ (this.store.state);
    return ["map", {a, b, model, turn: this.turn}];
  }

  build() {
    const all = super.build();
    this.parts.way = h("div", {className: "strip-way", role: "group", "aria-label": this.words.result});
    this.parts.canvases = shares(WAY).map(share => newCanvas(FRAME, {role: "img", "aria-label": percentOf(share, this.words)}));
    this.parts.way.append(...this.parts.canvases);
    this.parts.inside.addEventListener("click", (/** @type {any} */ event) => {
      const cat = event.target.closest("button")?.dataset.cat, side = this.turn;
      if (!cat) return;
      this.turn = side === "a" ? "b" : "a";
      this.store.choose(side, cat);
    });
    return h("div", {className: "explore"}, all, this.parts.way);
  }

  listen() {
    super.listen();
    this.redraw = latest(async () => {
      const {morph} = this.store, pictures = await morph?.at(shares(WAY), FRAME);
      if (morph === this.store.morph) pictures?.forEach((/** @type {any} */ picture, /** @type {number} */ i) => paint(this.parts.canvases[i], picture));
    });
  }

  async update() {
    if (this.offsetParent) this.redraw?.();
    await super.update();
  }
}

export class CatSum extends Drawn {
  terms = [...FIRST_SUM];
  changing = FIRST_SUM.length - 1;

  /** @returns {[string, any]} */
  get question() {
    return ["sum", {model: this.store.state?.model, terms: this.terms, slot: this.changing}];
  }

  build() {
    const all = super.build();
    this.parts.inside.addEventListener("click", (/** @type {any} */ event) => {
      const {cat, slot} = event.target.closest("button")?.dataset ?? {};
      if (slot !== undefined) this.changing = Number(slot);
      else if (cat !== undefined) this.terms = this.terms.map((term, i) => (i === this.changing ? Number(cat) : term));
      else return;
      this.update();
    });
    return all;
  }
}

for (const [name, element] of Object.entries({"kitten-map": CatMap, "kitten-sum": CatSum})) {
  if (!customElements.get(name)) customElements.define(name, element);
}
