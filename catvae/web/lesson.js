// <kitten-lesson kind="kept">: the figures of the lesson, drawn of the visitor's own two cats and of the model that is
// chosen: what models "kept", their "ways" between both, what a painter adds ("painted"), the "network"; and the "data":
// how many were copies, and their "axes", the mean face and the principal components.

import {whenSeen} from "./compare.js";
import {fill, h, say, sentenceOf, shares, svg} from "./dom.js";
import {fromPixels, newCanvas, paint} from "./draw.js";
import {openLinear} from "./linear.js";
import {Part, define} from "./part.js";

const TILE = 128, WAY = 8, LEFT_SIDE = 34;
const AXES = 7, FAR = 2.5; // how many principal components, and how many standard deviations they are shown at
const PAINTED = ["v2", "v6", "v7"]; // what the text is about

/** @type {WeakMap<any, {asked: any[], coming: Promise<any>}>} by store: all figures show one answer */
const answers = new WeakMap();

/** Every model's way between both cats. @param {import("./state.js").Store} store */
function waysOf(store) {
  const {a, b} = /** @type {any} */ (store.state), asked = [store.engine, a, b], known = answers.get(store);
  if (known && asked.every((part, i) => part === known.asked[i])) return known.coming;
  const coming = store.engine.compare(a, b, "lerp").then((/** @type {any} */ {ways}) => ways);
  answers.set(store, {asked, coming});
  coming.catch(() => answers.delete(store)); // it is asked for again
  return coming;
}

/** The layers of a network: side and channels of what goes through, and the latents between both halves.
 * @param {{channels: number[], latents: number, painted: boolean}} variant
 * @returns {{part: string, side?: number, count: number}[]} */
export function layersOf({channels, latents, painted}) {
  const half = channels.map((count, i) => ({side: 64 >> i, count}));
  const layers = [
    ...half.map(layer => ({part: "encoder", ...layer})), {part: "latents", count: latents},
    ...[...half].reverse().map(layer => ({part: "decoder", ...layer})),
  ];
  return painted ? [...layers, {part: "painter", side: 64, count: 3}] : layers;
}

class Lesson extends Part {
  static sheets = ["explore.css"];
  turn = 0;

  get kind() {
    return this.getAttribute("kind") ?? "";
  }

  build() {
    const {parts, words, kind} = this;
    parts.inside = h("div", {className: `lesson-${kind}`});
    parts.note = h("p", {className: "status", role: "status"});
    const told = /** @type {Record<string, string>} */ ({kept: words.lesson_figure, ways: words.lesson_way, painted: words.lesson_painting, data: words.lesson_bars, axes: words.lesson_axes, network: ""});
    parts.about = h("figcaption", {}, told[kind]);
    return h("figure", {className: "lesson"}, parts.inside, parts.note, parts.about);
  }

  listen() {
    for (const kind of ["shown", "words"]) this.on(kind, () => this.update());
    whenSeen(this, () => this.update());
    if (this.kind !== "network") return;
    const sizes = new ResizeObserver(() => this.update());
    sizes.observe(this);
    this.gone?.signal.addEventListener("abort", () => sizes.disconnect());
  }

  async update() {
    const {store, parts, words} = this, turn = ++this.turn;
    if (!this.offsetParent || !store.state) return;
    if (this.kind === "network") return this.drawNetwork();
    if (this.kind === "data") return this.drawData();
    try {
      if (this.kind === "axes") return parts.inside.firstChild ?? parts.inside.replaceChildren(...await this.axes());
      const ways = await waysOf(store);
      const {variants} = store.manifest, names = Object.keys(variants).filter(name => ways.has(name));
      const drawn = await {kept: () => this.kept(ways, names), ways: () => this.ways(ways, names), painted: () => this.kept(ways, names.filter(name => PAINTED.includes(name)).reverse())}[this.kind]?.();
      if (turn !== this.turn || !drawn) return;
      parts.inside.replaceChildren(...drawn);
      say(parts.note, "");
    } catch (error) {
      if (turn !== this.turn) return;
      console.warn("kitten-mixer:", error);
      say(parts.note, sentenceOf(error, words));
    }
  }

  /** @param {import("./draw.js").Picture} picture @param {string} name @param {string} about */
  tile(picture, name, about) {
    const canvas = newCanvas(TILE, {role: "img", "aria-label": about});
    paint(canvas, picture);
    return h("div", {className: "tile-of"}, canvas, h("small", {"aria-hidden": "true"}, name));
  }

  /** Both cats, and what is left of them. @param {Map<string, any>} ways @param {string[]} names */
  async kept(ways, names) {
    const {words} = this, {a, b} = /** @type {any} */ (this.store.state), rows = [];
    for (const [share, cat, side] of [[0, a, words.cat_a], [1, b, words.cat_b]]) {
      const tiles = [this.tile(cat.face, side, side)];
      for (const name of names) {
        const [picture] = await ways.get(name).at([share]);
        tiles.push(this.tile(picture, name, `${side}, ${name}`));
      }
      rows.push(h("div", {className: "tiles", "data-count": tiles.length}, tiles));
    }
    return rows;
  }

  /** @param {Map<string, any>} ways @param {string[]} names */
  async ways(ways, names) {
    const {words} = this, rows = [];
    for (const name of names) {
      const strip = newCanvas(WAY * TILE, {height: TILE, role: "img", className: "strip-of", "aria-label": `${name}: ${words.morph}`}), pen = strip.getContext("2d");
      (await ways.get(name).at(shares(WAY))).forEach((/** @type {any} */ picture, /** @type {number} */ i) => pen?.drawImage(picture, i * TILE, 0, TILE, TILE));
      rows.push(h("div", {className: "way-of"}, h("small", {"aria-hidden": "true"}, name), strip));
    }
    return rows;
  }

  /** The mean face, and each axis to either side of it. */
  async axes() {
    const {words} = this, linear = await openLinear(this.store.engine);
    const face = (/** @type {number} */ k, /** @type {number} */ far) => fromPixels(linear.decode(Float32Array.from({length: k + 1}, (_, i) => (i === k ? far : 0)), 0));
    return [-FAR, FAR].map(far => h("div", {className: "tiles", "data-count": AXES + 1}, this.tile(face(0, 0), words.axes_mean, words.axes_mean),
      Array.from({length: AXES}, (_, k) => this.tile(face(k, far), `${far < 0 ? "−" : "+"} ${k + 1}`, `${fill(words.axes_axis, {number: k + 1})} ${far < 0 ? "−" : "+"}`))));
  }

  /** The model that is chosen, layer by layer: as high as its pictures are, as deep as it has channels. */
  drawNetwork() {
    const {store, parts, words} = this, model = /** @type {any} */ (store.state).model, variant = store.manifest.variants[model];
    const layers = layersOf(variant), narrow = this.clientWidth < 560;
    const names = /** @type {Record<string, string>} */ ({encoder: words.network_encoder, latents: words.network_latents, decoder: words.network_decoder, painter: words.network_painter});
    const step = narrow ? 30 : 700 / layers.length, deep = (/** @type {number} */ count) => 5 + 3 * Math.log2(count);
    const drawing = layers.flatMap(({part, side, count}, i) => {
      const middle = (i + 0.5) * step + (narrow ? 10 : LEFT_SIDE / 3), along = side ? deep(count) / (narrow ? 1.6 : 1) : 8, across = side ? 12 + 1.7 * side : 108;
      const first = i === 0 || layers[i - 1].part !== part, size = side ? `${side}×${side}` : String(count), title = side ? `${count}` : "";
      const box = narrow
        ? {x: 70 - across / 2, y: middle - along / 2, width: across, height: along}
        : {x: middle - along / 2, y: 96 - across / 2, width: along, height: across};
      const texts = narrow
        ? [svg("text", {x: 148, y: middle + 4}, title ? `${size} · ${title}` : size), first ? svg("text", {x: 336, y: middle + 4, "text-anchor": "end", class: "name"}, names[part]) : null]
        : [svg("text", {x: middle, y: 180, "text-anchor": "middle"}, size), svg("text", {x: middle, y: 196, "text-anchor": "middle"}, title),
          first ? svg("text", {x: part === "latents" ? middle : middle - along / 2, y: 22, "text-anchor": part === "latents" || part === "painter" ? "middle" : "start", class: "name"}, names[part]) : null];
      return [svg("rect", {...box, rx: 3, class: part}), ...texts.filter(text => text !== null)];
    });
    const box = narrow ? `0 0 340 ${layers.length * step + 20}` : "0 0 724 204";
    const about = fill(words[variant.painted ? "network_about_painted" : "network_about"], {model, layers: variant.channels.length - 1, latents: variant.latents});
    parts.inside.replaceChildren(svg("svg", {viewBox: box, role: "img", "aria-label": about}, ...drawing));
    say(parts.about, about);
  }

  /** How many of the pictures were copies. */
  drawData() {
    const {parts, words, store} = this, counts = (this.getAttribute("counts") ?? "").split(" ").map(Number), all = counts.reduce((sum, count) => sum + count, 0);
    const names = [words.data_learned, words.data_validation, words.data_near, words.data_copies];
    const written = new Intl.NumberFormat(store.language);
    parts.inside.replaceChildren(
      h("div", {className: "bar-of", role: "presentation"}, counts.map((count, i) => {
        const piece = h("i", {className: `piece-${i}`});
        piece.style.flexGrow = String(count / all);
        return piece;
      })),
      h("ul", {}, counts.map((count, i) => h("li", {className: `piece-${i}`}, h("b", {}, written.format(count)), ` ${names[i]}`))));
  }
}

define({"kitten-lesson": Lesson});
