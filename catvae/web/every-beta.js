// What the best linear model makes of the two cats at any β, on a ruler with a stop for each β that a model was trained at.

import {betaOf, fill, h, percentOf, say, written} from "./dom.js";
import {fromPixels, newCanvas, paint, readsTrue} from "./draw.js";

const CELL = 256;
const LOWEST = 0.0025; // β at the ruler's left end; at its right end nothing is kept
const STEP = 0.01; // of the ruler, a press of an arrow key
const NEAR = 0.008; // of the ruler: a hand that is that near to a stop means it

/** @param {any} part whose `beta` it is */
export function everyBeta(part) {
  const {words, store} = part, {variants} = store.manifest, {language} = store;
  /** @type {any} */ let linear = null;
  /** @type {[any, any, number] | null} */ let shown = null;

  /** @type {Map<number, string[]>} */
  const stops = new Map();
  for (const [name, {beta}] of Object.entries(variants)) if (beta !== null) stops.set(beta, [...(stops.get(beta) ?? []), name]);
  const betas = [...stops.keys()].sort((a, b) => a - b);

  const placeOf = (/** @type {number} */ beta) => Math.log(beta / LOWEST) / Math.log(linear.none / LOWEST);
  const betaAt = (/** @type {number} */ place) => LOWEST * (linear.none / LOWEST) ** place;
  const nearest = (/** @type {number} */ place) => betas.toSorted((a, b) => Math.abs(placeOf(a) - place) - Math.abs(placeOf(b) - place))[0];

  const canvas = newCanvas(CELL, {role: "img"}), kept = h("p", {className: "kept"}), trained = h("p"), caption = h("p", {className: "small"});
  const ruler = h("input", {type: "range", min: 0, max: 1000, step: 1, "aria-label": words.linear_slider, oninput: () => {
    const place = ruler.value / 1000, stop = nearest(place);
    choose(stop !== undefined && Math.abs(placeOf(stop) - place) < NEAR ? stop : betaAt(place));
  }});
  ruler.addEventListener("keydown", (/** @type {KeyboardEvent} */ event) => {
    const way = {ArrowRight: 1, ArrowUp: 1, PageUp: 1, ArrowLeft: -1, ArrowDown: -1, PageDown: -1}[event.key];
    if (!way) return;
    event.preventDefault();
    const stop = way > 0 ? betas.find(beta => beta > part.beta) : betas.findLast(beta => beta < part.beta);
    const place = Math.max(0, Math.min(1, placeOf(part.beta) + way * STEP));
    const passed = stop !== undefined && way * (placeOf(stop) - place) <= 0; // a stop on the way is one for keys too
    if (passed || (event.key.startsWith("Page") && stop !== undefined)) choose(/** @type {number} */ (stop));
    else if (!event.key.startsWith("Page")) choose(betaAt(place));
  });
  const ticks = h("div", {className: "ticks", "aria-hidden": "true"}, betas.map(beta =>
    h("span", {onclick: () => choose(beta)}, stops.get(beta)?.map(name => h("i", {}, name)))));
  const section = h("section", {className: "linear", hidden: true, "aria-label": words.linear_title}, h("strong", {}, words.linear_title),
    h("div", {className: "best"}, canvas, h("div", {}, kept, trained)), h("div", {className: "betas"}, ruler, ticks), caption);

  /** @param {number} beta */
  function choose(beta) {
    const whole = (/** @type {number} */ value) => written(Math.round(value), language);
    part.beta = beta;
    const place = placeOf(beta), figures = {beta: betaOf(beta, language), nats: whole(linear.rate(beta)), used: linear.used(beta), count: linear.latents};
    ruler.value = 1000 * place;
    ruler.setAttribute("aria-valuetext", `${figures.beta}, ${figures.nats} ${words.nats}`);
    say(kept, fill(words.linear_kept, figures));
    const stop = nearest(place), models = (stops.get(stop) ?? []).filter(name => variants[name].kl != null);
    const told = models.map(name => `${name} ${whole(variants[name].kl)}`).join(", ");
    say(trained, models.length ? fill(words.linear_trained, {beta: betaOf(stop, language), models: told, nats: whole(linear.rate(stop))}) : "");
    draw();
  }

  function draw() {
    if (!linear || !shown) return;
    const [a, b, share] = shown, {path} = store.state;
    paint(canvas, fromPixels(linear.mix(a, b, share, path, part.beta)));
    canvas.setAttribute("aria-label", `${words.linear_title}, ${betaOf(part.beta, language)}: ${percentOf(share, words)}`);
  }

  return {
    section,

    /** Fetches what it is made of, where it is seen. */
    async open() {
      if (linear || part.hasAttribute("compact") || !readsTrue()) return; // it reads faces
      try {
        linear = await (await import("./linear.js")).openLinear(store.engine);
      } catch (error) {
        return console.warn("kitten-mixer:", error);
      }
      [...ticks.children].forEach((tick, i) => tick.style.setProperty("--at", placeOf(betas[i])));
      say(caption, fill(words.linear_caption, {count: linear.latents, all: betaOf(linear.all, language), none: betaOf(linear.none, language)}));
      section.hidden = false;
      choose(part.beta);
    },

    /** @param {HTMLCanvasElement} a @param {HTMLCanvasElement} b faces of 64×64 @param {number} share */
    draw(a, b, share) {
      shown = [a, b, share];
      draw();
    },
  };
}
