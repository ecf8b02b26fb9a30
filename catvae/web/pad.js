// <kitten-pad>: the mix of three or four cats, by the place of a point between them.

import {titleOf} from "./cats.js";
import {whenSeen} from "./compare.js";
import {fill, h, latest, say} from "./dom.js";
import {newCanvas, paint, penOf} from "./draw.js";
import {keepAs, keepers, tell} from "./explore.js";
import {Part, define} from "./part.js";
import {shelfOf} from "./shelf.js";

const STAGE = 384, CORNER = 128, STEP = 0.05;
const KEYS = /** @type {Record<string, [number, number]>} */ ({
  ArrowLeft: [-STEP, 0], ArrowRight: [STEP, 0], ArrowUp: [0, -STEP], ArrowDown: [0, STEP], Home: [-1, 0], End: [1, 0], PageUp: [0, -1], PageDown: [0, 1],
});

/** How much of each cat is at a place, from A at (0, 0) with B to its right and C below: bilinear with D, which is
 * across from A; without D as in a triangle. @param {number[]} place @param {number} count of cats */
export const weightsAt = ([x, y], count) => (count === 3 ? [1 - x - y, x, y] : [(1 - x) * (1 - y), x * (1 - y), (1 - x) * y, x * y]);

/** The nearest place that there is: D's half is left out where D is no one. @param {number[]} place @param {number} count */
export function placeWithin(place, count) {
  const [x, y] = place.map(share => Math.max(0, Math.min(1, share))), beyond = count === 3 ? Math.max(0, x + y - 1) / 2 : 0;
  return [x - beyond, y - beyond];
}

class CatPad extends Part {
  static sheets = ["explore.css"];
  place = [0.5, 0.5]; // from A, of the way to B and to C
  /** @type {string[]} names of C and D; "" is no one */ below = [];
  /** @type {any[]} at the corners */ cats = [];
  asked = "";
  failed = false; // whether the note says so
  /** @type {{at: (weights: number[]) => any} | null} */ way = null;
  /** @type {any} */ picture = null;
  redraw = latest(() => this.draw());

  build() {
    const {words, parts} = this;
    this.asked = "";
    parts.stage = newCanvas(STAGE, {className: "stage", role: "img", "aria-label": words.pad});
    parts.told = h("p", {className: "nearest"});
    parts.note = h("p", {className: "status", role: "status"});
    parts.point = h("i");
    parts.pad = h("div", {className: "pad", role: "slider", tabIndex: 0, "aria-label": words.pad, "aria-valuemin": 0, "aria-valuemax": 100, "aria-valuenow": 50}, parts.point);
    const drag = (/** @type {PointerEvent} */ event) => {
      const {left, top, width, height} = parts.pad.getBoundingClientRect();
      this.move([(event.clientX - left) / width, (event.clientY - top) / height]);
    };
    parts.pad.addEventListener("pointerdown", (/** @type {PointerEvent} */ event) => {
      if (event.button) return;
      parts.pad.setPointerCapture(event.pointerId);
      drag(event);
    });
    parts.pad.addEventListener("pointermove", (/** @type {PointerEvent} */ event) => parts.pad.hasPointerCapture(event.pointerId) && drag(event));
    parts.pad.addEventListener("keydown", (/** @type {KeyboardEvent} */ event) => {
      const way = KEYS[event.key];
      if (!way) return;
      event.preventDefault();
      this.move(this.place.map((share, axis) => share + way[axis]));
    });
    const shelves = ["c", "d"].map((side, i) => {
      const choose = (/** @type {string} */ name) => {
        this.below[i] = name;
        this.redraw();
      };
      const none = () => {
        shelf.close();
        this.place = [1 / 3, 1 / 3]; // in the middle of those that stay
        choose("");
      };
      const shelf = shelfOf(this, words[`cat_${side}`], choose, side === "d" ? [h("button", {type: "button", className: "nobody", onclick: none}, words.pad_nobody)] : []);
      return shelf;
    });
    parts.corners = ["a", "b", "c", "d"].map((side, i) => {
      const inside = [newCanvas(CORNER, {"aria-hidden": "true"}), h("span")], className = `corner ${side}`;
      return i < 2 ? h("div", {className}, inside) : h("button", {type: "button", className, title: shelves[i - 2].ariaLabel, "aria-haspopup": "dialog", onclick: () => shelves[i - 2].showModal()}, inside);
    });
    return [h("div", {className: "litter"}, h("div", {className: "parents"}, parts.corners, parts.pad),
      h("div", {className: "seen-as"}, parts.stage, parts.told, h("div", {className: "choices"}, keepers(this)), parts.note)), ...shelves];
  }

  listen() {
    for (const kind of ["choice", "shown", "words"]) this.on(kind, () => this.redraw());
    whenSeen(this, () => this.redraw());
  }

  /** @param {number[]} place */
  move(place) {
    this.place = placeWithin(place, this.cats.length);
    this.show();
    this.redraw();
  }

  /** What the controls say. */
  show() {
    const {parts, words, cats} = this, weights = weightsAt(this.place, cats.length);
    const shares = cats.map((cat, i) => [Math.round(100 * weights[i]), titleOf(cat, words)]).filter(([percent]) => percent);
    const told = new Intl.ListFormat(this.store.language, {type: "unit"}).format(shares.map(([percent, cat]) => `${cat} ${percent}\u00a0%`));
    say(parts.told, told);
    parts.pad.setAttribute("aria-valuetext", told);
    parts.pad.setAttribute("aria-valuenow", Math.round(100 * this.place[0]));
    [parts.point.style.left, parts.point.style.top] = this.place.map(share => `${100 * share}%`);
    parts.corners.forEach((/** @type {any} */ {lastChild}, /** @type {number} */ i) => say(lastChild, `${"ABCD"[i]} · ${cats[i] ? titleOf(cats[i], words) : words.pad_nobody}`));
  }

  /** The cats of now at the corners. */
  take() {
    const {store, parts} = this, {choice: {a, b}, engine} = store, {photos, cats} = store.manifest;
    if (!this.below.length) {
      const [c = cats[0], d = ""] = new Set([...photos, ...cats].filter(name => name !== a.name && name !== b.name));
      this.below = [c, d];
    }
    this.cats = [a, b, ...this.below.filter(Boolean).map(engine.example)];
    parts.corners.forEach((/** @type {any} */ corner, /** @type {number} */ i) => {
      if (this.cats[i]) paint(corner.firstChild, this.cats[i].face);
      else penOf(corner.firstChild).clearRect(0, 0, CORNER, CORNER);
    });
    parts.pad.classList.toggle("half", this.cats.length === 3);
    this.place = placeWithin(this.place, this.cats.length);
    this.show();
  }

  async draw() {
    const {store, parts, words} = this;
    if (!this.offsetParent || !store.state) return;
    const [a, b] = this.cats, {choice, engine} = store, asked = JSON.stringify([this.below, engine.name]);
    try {
      if (a !== choice.a || b !== choice.b || asked !== this.asked) {
        Object.assign(this, {asked: "", picture: null});
        this.take();
        this.toggleAttribute("slow", true); // until the pictures of these cats are here
        const now = JSON.stringify([this.below, engine.name]);
        this.way = await engine.pad(this.cats);
        this.asked = now;
        this.toggleAttribute("slow", false);
      }
      this.show();
      this.picture = await /** @type {any} */ (this.way).at(weightsAt(this.place, this.cats.length));
      paint(parts.stage, this.picture);
      parts.stage.setAttribute("aria-label", fill(words.pad_picture, {cats: parts.told.textContent}));
      parts.stage.dataset.place = this.place.map(share => share.toFixed(2)).join(" ");
      if (this.failed) say(parts.note, "");
      this.failed = false;
    } catch (error) {
      this.failed = true;
      tell(this, error);
    }
  }

  /** The picture becomes a cat of the mix. @param {"a" | "b"} side */
  async keep(side) {
    if (this.picture && await keepAs(this, side, this.picture, "child")) this.move([side === "a" ? 0 : 1, 0]); // where it is now
  }
}

define({"kitten-pad": CatPad});
