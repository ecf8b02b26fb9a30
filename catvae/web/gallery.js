// <kitten-gallery>: the frames between both cats; a click takes the morph to one, a button saves it.

import {titleOf} from "./cats.js";
import {columns, drawing, fill, h, percentOf, say, shares} from "./dom.js";
import {FRAME, newCanvas, paint} from "./draw.js";
import {faceOf} from "./full.js";
import {Part, define} from "./part.js";

const ARROW = ["M12 4v11m-5-5 5 5 5-5M5 20h14"];
const PER_ROW = {wide: 13, middle: 9, narrow: 6}; // at most, by the width of the gallery

class Gallery extends Part {
  build() {
    this.parts.frames = h("div", {className: "frames", role: "group", "aria-label": this.words.result});
    this.parts.news = h("p", {className: "unseen", role: "status"});
    return [this.parts.frames, this.parts.news];
  }

  listen() {
    this.on("status", () => this.wait());
    this.on("shown", () => {
      this.render();
      if (this.store.unseen) setTimeout(() => this.news(), 100); // the same words are read anew
      say(this.parts.news, "");
    });
  }

  news() {
    const {words, store} = this, {a, b, model} = /** @type {any} */ (store.state);
    say(this.parts.news, fill(words.new_mix, {count: store.frames.length, a: titleOf(a, words), b: titleOf(b, words), model}));
  }

  wait() {
    const {kind, slow} = this.store.status;
    this.dataset.mix = kind;
    this.toggleAttribute("slow", slow && kind === "asked");
  }

  render() {
    const {words, store, parts} = this, {state, frames} = store;
    this.wait();
    if (!state) return;
    const ends = this.hasAttribute("ends"), places = shares(frames.length);
    const shown = frames.map((picture, i) => {
      const text = percentOf(places[i], words), canvas = newCanvas(FRAME), label = fill(words.save_frame, {share: text});
      paint(canvas, picture);
      return h("div", {},
        h("button", {type: "button", className: "show", "aria-label": text, onclick: () => this.go(places[i])}, canvas, h("span", {"aria-hidden": "true"}, text)),
        ends && h("button", {type: "button", className: "keep", "aria-label": label, title: label, onclick: async () => (await import("./saving.js")).save(store, "frame", i)}, drawing("0 0 24 24", ARROW)));
    });
    const parent = (/** @type {"a" | "b"} */ side) => {
      const canvas = newCanvas(FRAME, {role: "img", "aria-label": words[`cat_${side}`]});
      paint(canvas, faceOf(store, side, state));
      return h("figure", {}, canvas, h("span", {"aria-hidden": "true"}, words[`cat_${side}`]));
    };
    const all = ends ? [parent("a"), ...shown, parent("b")] : shown;
    for (const [width, most] of Object.entries(PER_ROW)) parts.frames.style.setProperty(`--${width}`, columns(all.length, most));
    parts.frames.classList.toggle("two-rows", all.length > PER_ROW.wide);
    parts.frames.replaceChildren(...all);
  }

  /** @param {number} share */
  go(share) {
    this.store.slide(share);
    const still = matchMedia("(prefers-reduced-motion: reduce)").matches;
    /** @type {any} */ (this.getRootNode()).querySelector("kitten-morph")?.scrollIntoView({block: "nearest", behavior: still ? "instant" : "smooth"});
  }
}

define({"kitten-gallery": Gallery});
