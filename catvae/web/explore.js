// <kitten-map> and <kitten-dials>: a map of the examples, which the app draws, and dials that make a cat more of a breed.

import {bring, chooseExample} from "./bring.js";
import {titleOf} from "./cats.js";
import {whenSeen} from "./compare.js";
import {fill, h, latest, percentOf, say, sentenceOf} from "./dom.js";
import {newCanvas, paint, toBlob} from "./draw.js";
import {buildSlider} from "./morph.js";
import {Part, define} from "./part.js";

const STAGE = 384; // pixels of the picture beside the map, and of that of the dials
const SHOWN = 3; // breeds that are named

/** What is nearest to a place in the direction of an arrow key: straight ahead counts twice what lies to the side.
 * @param {{x: number, y: number}[]} places @param {{x: number, y: number}} from @param {string} key
 * @returns {number} -1 where there is none */
export function nearestTo(places, from, key) {
  const ahead = /** @type {Record<string, [number, number]>} */ ({ArrowRight: [1, 0], ArrowLeft: [-1, 0], ArrowDown: [0, 1], ArrowUp: [0, -1]})[key];
  if (!ahead) return -1;
  let best = -1, least = Infinity;
  places.forEach(({x, y}, i) => {
    const [dx, dy] = [x - from.x, y - from.y], along = dx * ahead[0] + dy * ahead[1], beside = Math.abs(dx * ahead[1]) + Math.abs(dy * ahead[0]);
    if (along <= 0 || along + 2 * beside >= least) return;
    [best, least] = [i, along + 2 * beside];
  });
  return best;
}

/** @param {any} part @param {unknown} error what a visitor is told of it */
export function tell({words, parts}, error) {
  console.warn("kitten-mixer:", error);
  say(parts.note, sentenceOf(error, words));
}

/** A picture becomes a cat of the mix, and the part's note says so. @param {any} part @param {"a" | "b"} side
 * @param {import("./draw.js").Picture} picture @param {import("./cats.js").Cat["kind"]} kind */
export async function keepAs({store, words, parts}, side, picture, kind) {
  const face = newCanvas(64);
  paint(face, picture);
  const kept = await bring(store, side, async () => ({...await store.engine.findFaces(await toBlob(face)), kind}));
  say(parts.note, kept ? fill(words.dials_kept, {cat: words[`cat_${side}`]}) : store.sides[side].refusal);
  return kept;
}

/** Buttons that make a part's picture a cat of the mix. @param {any} part whose `keep` does it */
export const keepers = part => ["a", "b"].map(side =>
  h("button", {type: "button", "data-keep": side, onclick: () => part.keep(side)}, fill(part.words.dials_keep, {cat: part.words[`cat_${side}`]})));

class CatMap extends Part {
  static sheets = ["explore.css"];
  turn = /** @type {"a" | "b"} */ ("a");
  asked = "";
  /** @type {any} */ pair = null;
  reached = ""; // the cat on the map that the Tab key comes to
  redraw = latest(() => this.draw());

  build() {
    const {words, parts} = this;
    this.asked = "";
    parts.turn = h("p", {className: "turn-note", role: "status"});
    parts.inside = h("div", {className: "map"});
    parts.note = h("p", {className: "status", role: "status"});
    parts.stage = newCanvas(STAGE, {className: "stage", role: "img", "aria-label": words.morph});
    parts.slider = buildSlider(this, words.morph);
    parts.inside.addEventListener("click", (/** @type {any} */ event) => {
      const cat = event.target.closest("button")?.dataset.cat, side = this.turn;
      if (!cat) return;
      this.turn = side === "a" ? "b" : "a";
      this.ask();
      chooseExample(this.store, side, cat);
    });
    parts.inside.addEventListener("keydown", (/** @type {KeyboardEvent} */ event) => this.walk(event));
    parts.inside.addEventListener("focusin", (/** @type {any} */ event) => this.reach(event.target.dataset.cat));
    this.ask();
    return h("div", {className: "explore"}, parts.turn, parts.inside,
      h("div", {className: "between"}, parts.stage, h("div", {className: "controls"}, parts.slider.parts), parts.note));
  }

  ask() {
    const {words} = this;
    say(this.parts.turn, {a: words.choose_a, b: words.choose_b}[this.turn]);
  }

  listen() {
    for (const kind of ["shown", "words"]) this.on(kind, () => this.update());
    this.on("share", () => {
      this.parts.slider.show();
      this.redraw();
    });
    whenSeen(this, () => this.update());
  }

  get points() {
    return /** @type {HTMLButtonElement[]} */ ([...this.parts.inside.querySelectorAll("button")]);
  }

  /** @param {string | undefined} cat */
  reach(cat) {
    const {points} = this, now = points.find(({dataset}) => dataset.cat === (cat ?? this.reached)) ?? points[0];
    this.reached = now?.dataset.cat ?? "";
    for (const point of points) point.tabIndex = point === now ? 0 : -1;
    return now;
  }

  /** One tab stop: an arrow key goes to the next cat in its direction. @param {KeyboardEvent} event */
  walk(event) {
    const {points} = this, places = points.map(({offsetLeft: x, offsetTop: y}) => ({x, y})), at = points.indexOf(/** @type {any} */ (event.target));
    if (at < 0 || !event.key.startsWith("Arrow")) return;
    event.preventDefault();
    points[nearestTo(places, places[at], event.key)]?.focus();
  }

  async update() {
    const {store, parts} = this;
    if (!this.offsetParent || !store.state) return;
    this.redraw();
    const {a, b, model} = store.state, asked = JSON.stringify([model, store.language, store.engine.name]);
    if (asked === this.asked && this.pair?.[0] === a && this.pair[1] === b) return;
    Object.assign(this, {asked, pair: [a, b]});
    try {
      const html = await store.engine.map?.(a, b, model);
      if (asked !== this.asked || this.pair[0] !== a || this.pair[1] !== b) return;
      const focused = parts.inside.contains(this.root.activeElement);
      parts.inside.innerHTML = html ?? ""; // drawn by the app, which escapes
      const reached = this.reach(undefined);
      if (focused) reached?.focus();
      say(parts.note, html === undefined ? this.words.explore_server : "");
    } catch (error) {
      this.asked = "";
      tell(this, error);
    }
  }

  async draw() {
    const {store, parts} = this, {morph, share} = store;
    if (!morph || !this.offsetParent) return;
    const [picture] = await morph.at([share], STAGE);
    if (morph !== store.morph) return;
    paint(parts.stage, picture);
    parts.stage.setAttribute("aria-label", `${this.words.morph}: ${percentOf(share, this.words)}`);
    parts.stage.dataset.share = String(share);
  }
}

class CatDials extends Part {
  static sheets = ["explore.css"];
  side = /** @type {"a" | "b"} */ ("a");
  /** @type {number[]} units of each dial */ places = [];
  dial = 0; // the one that is turned
  /** @type {any} */ cat = null; // whose pictures are here
  asked = "";
  failed = false; // whether the note says so
  /** @type {{at: (shares: number[]) => any} | null} */ way = null;
  /** @type {any} */ picture = null;
  redraw = latest(() => this.draw());

  get told() {
    return this.store.engine.manifest.dials ?? {names: [], models: [], made_for: [], breeds: [], reach: 1, accuracy: 0};
  }

  build() {
    const {words, parts, told} = this;
    this.asked = "";
    this.places = told.names.map((/** @type {string} */ _, /** @type {number} */ i) => this.places[i] ?? 0);
    parts.note = h("p", {className: "status", role: "status"});
    if (!told.models.length) {
      say(parts.note, fill(words.dials_none, {models: new Intl.ListFormat(this.store.language).format(told.made_for)}));
      return parts.note;
    }
    parts.stage = newCanvas(STAGE, {className: "stage", role: "img", "aria-label": words.dials_of});
    parts.sides = ["a", "b"].map(side => h("button", {type: "button", "data-side": side, onclick: () => this.choose(side)}));
    parts.nearest = h("p", {className: "nearest"});
    parts.dials = told.names.map((/** @type {string} */ name, /** @type {number} */ i) =>
      h("input", {type: "range", min: -told.reach, max: told.reach, step: 0.1, value: this.places[i], "aria-label": words[`dial_${name}`], oninput: () => this.turn(i)}));
    const rows = told.names.map((/** @type {string} */ name, /** @type {number} */ i) => h("label", {}, h("span", {"aria-hidden": "true"}, words[`dial_${name}`]), parts.dials[i]));
    this.show();
    return h("div", {className: "dials"},
      h("div", {className: "seen-as"}, h("div", {className: "choices", role: "group", "aria-label": words.dials_of}, parts.sides), parts.stage, parts.nearest),
      h("div", {className: "knobs"}, h("div", {className: "rows-of-dials"}, rows),
        h("div", {className: "choices"}, h("button", {type: "button", className: "reset", onclick: () => this.reset()}, words.dials_reset), keepers(this)), parts.note,
        h("p", {className: "words"}, fill(words.dials_honest, {count: told.breeds.length, right: Math.round(100 * told.accuracy), chance: Math.round(100 / told.breeds.length), model: told.models[0]}))));
  }

  listen() {
    for (const kind of ["choice", "shown", "words"]) this.on(kind, () => this.redraw());
    whenSeen(this, () => this.redraw());
  }

  /** @param {string} side */
  choose(side) {
    this.side = side === "b" ? "b" : "a";
    say(this.parts.note, "");
    this.reset();
  }

  reset() {
    this.places = this.places.map(() => 0);
    this.show();
    this.redraw();
  }

  /** @param {number} dial */
  turn(dial) {
    this.dial = dial;
    this.places[dial] = Number(this.parts.dials[dial].value);
    this.show();
    this.redraw();
  }

  /** What the controls say. */
  show() {
    const {parts, places, words, store} = this;
    const signed = new Intl.NumberFormat(store.language, {signDisplay: "exceptZero", maximumFractionDigits: 1});
    parts.dials.forEach((/** @type {any} */ dial, /** @type {number} */ i) => {
      dial.value = places[i];
      dial.setAttribute("aria-valuetext", signed.format(places[i]));
      dial.toggleAttribute("data-turned", places[i] !== 0);
    });
    for (const button of parts.sides) {
      const {side} = button.dataset, cat = store.choice?.[/** @type {"a" | "b"} */ (side)];
      say(button, cat ? `${words[`cat_${side}`]}: ${titleOf(cat, words)}` : words[`cat_${side}`]);
      button.setAttribute("aria-pressed", String(side === this.side));
    }
  }

  async draw() {
    const {store, parts, places, dial, told} = this;
    if (!this.offsetParent || !store.state || !told.models.length) return;
    const cat = store.choice[this.side], rest = places.map((place, i) => (i === dial ? 0 : place)), asked = JSON.stringify([dial, rest, store.engine.name]);
    try {
      if (cat !== this.cat || asked !== this.asked) {
        const {way, nearest} = await store.engine.dials(cat, rest, dial);
        Object.assign(this, {cat, asked, way});
        this.name(nearest);
      }
      [this.picture] = await /** @type {any} */ (this.way).at([(this.places[this.dial] / told.reach + 1) / 2]);
      paint(parts.stage, this.picture);
      parts.stage.setAttribute("aria-label", fill(this.words.dials_picture, {cat: titleOf(cat, this.words)}));
      parts.stage.dataset.places = places.join(" ");
      if (this.failed) say(parts.note, "");
      this.failed = false;
      this.show();
    } catch (error) {
      this.failed = true;
      tell(this, error);
    }
  }

  /** @param {Record<string, number>} nearest the breeds, the likeliest first */
  name(nearest) {
    const {words, parts} = this, named = Object.entries(nearest).slice(0, SHOWN).filter(([, share]) => share >= 0.005).map(([breed, share]) => `${words[`dial_${breed}`]} ${Math.round(100 * share)}\u00a0%`);
    say(parts.nearest, fill(words.dials_nearest, {breeds: named.join(", ")}));
  }

  /** The picture becomes a cat of the mix. @param {"a" | "b"} side */
  async keep(side) {
    if (this.picture && await keepAs(this, side, this.picture, "newborn") && side === this.side) this.reset(); // the dials have done their part
  }
}

define({"kitten-map": CatMap, "kitten-dials": CatDials});
