// <kitten-morph>: the slider from A to B and the face at its place; over it what is waited for, and what is wrong.

import {titleOf} from "./cats.js";
import {fill, h, latest, percentOf, say, slideTo} from "./dom.js";
import {newCanvas, paint} from "./draw.js";
import {Part, define} from "./part.js";

const STAGE = 640;
const SWAY = 0.15, BREATH_MS = 4000; // how far the picture moves to each side of its place when it is first seen

/** Play, slider and share of a mixer, for what moves with it. @param {Part} part @param {string} label */
export function buildSlider({store, words}, label) {
  const play = h("button", {type: "button", className: "play", onclick: () => store.play(!store.playing)});
  const slider = h("input", {type: "range", className: "slider", min: 0, max: 1000, step: 1, "aria-label": label, oninput: () => store.slide(slider.value / 1000)});
  slider.addEventListener("keydown", (/** @type {KeyboardEvent} */ event) => {
    const share = slideTo(event, store.share);
    if (share !== null) store.slide(share);
  });
  const share = h("span", {className: "share"}); // no <output>: it would be read out at every frame
  const show = () => {
    const text = percentOf(store.share, words);
    slider.value = Math.round(1000 * store.share);
    slider.setAttribute("aria-valuetext", text);
    say(share, text);
    say(play, store.playing ? "❚❚" : "▶");
    play.setAttribute("aria-label", store.playing ? words.pause : words.play);
  };
  show();
  return {parts: [play, slider, share], show};
}

/** The picture is a slider too, for a mouse or a finger. @param {HTMLElement} canvas @param {() => import("./state.js").Store} storeOf */
function dragOn(canvas, storeOf) {
  /** @type {{x: number, share: number} | null} */ let from = null;
  canvas.addEventListener("pointerdown", event => {
    if (event.button) return;
    from = {x: event.clientX, share: storeOf().share};
    canvas.setPointerCapture(event.pointerId);
  });
  canvas.addEventListener("pointermove", event => {
    if (from && event.clientX !== from.x) storeOf().slide(from.share + (event.clientX - from.x) / canvas.clientWidth);
  });
  for (const end of ["pointerup", "pointercancel"]) canvas.addEventListener(end, () => (from = null));
}

class Morph extends Part {
  canvas = newCanvas(STAGE, {className: "stage", role: "img"}); // outlives a change of language
  inSight = false;
  /** @type {any} what is on the canvas */ painted = null;
  redraw = latest(() => this.draw());
  sway = 0; // beside the share: what breathes is not slid
  breath = "to come";

  constructor() {
    super();
    dragOn(this.canvas, () => this.store);
  }

  build() {
    const {words, parts, canvas} = this;
    parts.slider = buildSlider(this, words.morph);
    parts.status = h("p", {className: "status", role: "status"});
    parts.progress = h("progress", {max: 1, "aria-label": words.web_starting, hidden: true});
    parts.veil = h("div", {className: "veil"}, parts.progress, parts.status);
    parts.full = h("input", {type: "checkbox", role: "switch", onchange: () => this.store.change({full: parts.full.checked})});
    parts.switch = h("label", {className: "full"}, parts.full, words.full);
    parts.note = h("p", {className: "about painted"}); // over the picture: nothing below it moves
    return [h("div", {className: "frame"}, canvas, parts.note, parts.switch, parts.veil), h("div", {className: "controls"}, parts.slider.parts)];
  }

  listen() {
    this.on("share", () => {
      this.breath = "over";
      this.parts.slider.show();
      this.redraw();
    });
    this.on("shown", () => this.redraw());
    const signal = this.gone?.signal, seen = new IntersectionObserver(entries => {
      this.inSight = Boolean(entries.at(-1)?.isIntersecting);
      this.breathe();
    }, {threshold: 0.5});
    seen.observe(this.canvas);
    signal?.addEventListener("abort", () => seen.disconnect());
    for (const kind of ["pointerdown", "keydown", "wheel"]) addEventListener(kind, () => (this.breath = "over"), {signal, capture: true, passive: true});
    for (const kind of ["status", "choice", "shown"]) this.on(kind, () => this.render());
    this.redraw();
  }

  rebuild() {
    super.rebuild();
    this.redraw();
  }

  /** A little to each side and back, once, so that it is seen that the picture moves. */
  breathe() {
    if (this.breath !== "to come" || !this.inSight || !("ready" in this.canvas.dataset) || this.store.fullness === "coming") return;
    this.breath = matchMedia("(prefers-reduced-motion: reduce)").matches ? "over" : "on";
    const begun = performance.now(), step = (/** @type {number} */ now) => {
      const part = Math.max(0, now - begun) / BREATH_MS;
      if (part >= 1 || !this.isConnected) this.breath = "over";
      this.sway = this.breath === "on" ? SWAY * Math.sin(2 * Math.PI * part) : 0;
      this.redraw();
      if (this.breath === "on") requestAnimationFrame(step);
    };
    if (this.breath === "on") requestAnimationFrame(step);
  }

  async draw() {
    const {store, canvas, sway} = this, {morph, share} = store;
    if (!morph) return;
    const place = Math.max(0, Math.min(1, share + sway)), {fur} = store, {painted} = this;
    if (painted?.morph !== morph || painted.place !== place || painted.fur !== fur) {
      const [picture] = await morph.at([place]);
      if (morph !== store.morph) return;
      paint(canvas, picture);
      this.painted = {morph, place, fur, picture};
    }
    if (sway) return; // no one has moved it
    Object.assign(this, {picture: this.painted.picture, drawn: share});
    canvas.setAttribute("aria-label", `${this.words.morph}: ${percentOf(share, this.words)}`);
    const first = !canvas.dataset.ready;
    canvas.dataset.ready = "";
    if (first) store.tell("drawn");
    this.dispatchEvent(new CustomEvent("frame", {detail: {share, model: store.state?.model}, bubbles: true, composed: true}));
    this.breathe();
  }

  render() {
    const {parts, store} = this, {kind, text, slow, share} = store.status;
    this.dataset.mix = kind;
    this.dataset.full = store.fullness;
    parts.full.checked = Boolean(store.choice?.full);
    const painted = store.fullness === "on" ? store.scene?.parts?.painted ?? [] : [];
    const cats = ["a", "b"].filter((_, i) => painted[i]).map(side => titleOf(/** @type {any} */ (store.state)[side], this.words));
    parts.note.hidden = !cats.length;
    const note = cats.length ? fill(this.words.full_painted, {cats: cats.join(" + ")}) : "";
    say(parts.note, note);
    parts.switch.title = `${this.words.full_info} ${note}`.trim();
    this.toggleAttribute("slow", slow && kind === "asked");
    parts.veil.hidden = !text;
    parts.progress.hidden = share === null;
    if (share !== null) parts.progress.value = share;
    say(parts.status, text);
  }
}

define({"kitten-morph": Morph});
