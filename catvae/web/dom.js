// Elements without markup in strings: a strict policy allows neither inline styles nor unchecked HTML.

export const base = new URL(".", import.meta.url);

/** `kind` is "missing", "broken", "memory", "unable" (no WebAssembly) or "noise" (canvases are not read as they are):
 * each has its sentence; "busy" is asked again; "refused" comes with its own. */
export class MixerError extends Error {
  /** @param {string} kind @param {string} message @param {unknown} [cause] */
  constructor(kind, message, cause) {
    super(message, {cause});
    this.kind = kind;
  }
}

/** What any error is to a visitor. @param {any} error @returns {MixerError} */
export function asMixerError(error) {
  if (typeof error?.kind === "string") return error;
  const text = String(error?.message ?? error);
  if (error instanceof RangeError || /memory|bad_alloc|allocat/i.test(text)) return new MixerError("memory", text, error);
  if (/WebAssembly|wasm-unsafe-eval|unsafe-eval/i.test(text)) return new MixerError("unable", text, error);
  return new MixerError(/import\w* (a )?module/i.test(text) ? "missing" : "broken", text, error); // a module that did not come
}

/** What a visitor is told of any error. @param {unknown} error @param {Record<string, string>} words */
export function sentenceOf(error, words) {
  const {kind, message} = asMixerError(error);
  return kind === "refused" ? message : kind === "busy" ? words.no_answer : words[`web_${kind}`];
}

/** @param {string} tag @param {Record<string, any>} [properties] @param {...any} children @returns {any} */
export function h(tag, properties = {}, ...children) {
  const element = document.createElement(tag);
  for (const [key, value] of Object.entries(properties)) {
    if (key.startsWith("on")) element.addEventListener(key.slice(2), value);
    else if (key in element && !tag.includes("-") && key !== "role") /** @type {any} */ (element)[key] = value;
    else if (value !== false && value != null) element.setAttribute(key, value === true ? "" : value);
  }
  element.append(...children.flat().filter(child => child != null && child !== false));
  return element;
}

/** @param {string} tag @param {Record<string, any>} attributes @param {...any} children */
export function svg(tag, attributes, ...children) {
  const element = document.createElementNS("http://www.w3.org/2000/svg", tag);
  for (const [key, value] of Object.entries(attributes)) element.setAttribute(key, String(value));
  element.append(...children);
  return element;
}

/** A drawing of lines. It must look right without the style sheet too.
 * @param {string} box @param {string[]} lines @param {Record<string, any>} [attributes] */
export const drawing = (box, lines, attributes = {}) => svg("svg", {
  viewBox: box, "aria-hidden": true, fill: "none", stroke: "currentColor", "stroke-width": 1.8,
  "stroke-linecap": "round", "stroke-linejoin": "round", ...attributes,
}, ...lines.map(d => svg("path", {d})));

/** A cat of lines, for where no picture file can be had. */
export const drawnCat = () => drawing("0 0 64 48", [
  "M14 30 C14 18 16 8 18 4 L27 12 Q32 11 37 12 L46 4 C48 8 50 18 50 30 C50 40 42 45 32 45 S14 40 14 30Z",
  "M24 25 v4 M40 25 v4 M29.5 33 h5 L32 36Z M32 36 q-3 4 -6 1 M32 36 q3 4 6 1",
  "M18 33 L4 30 M18 36 L5 38 M46 33 L60 30 M46 36 L59 38",
], {width: 150, "stroke-width": 1.6});

/** @param {string} text @param {Record<string, any>} values */
export const fill = (text, values) => text.replace(/\{(\w+)\}/g, (whole, key) => values[key] ?? whole);

/** The text of an element, touched only where it changes: what is the same is not read out again.
 * @param {Element} place @param {string} text */
export function say(place, text) {
  if (place.textContent !== text) place.textContent = text;
}

/** @param {number} share @param {Record<string, string>} words */
export const percentOf = (share, words) => fill(words.share, {percent: Math.round(100 * share)});

/** A figure as the language writes it, of three digits at most, or whole. @param {number} value @param {string} language */
export const written = (value, language) => new Intl.NumberFormat(language, {maximumSignificantDigits: Math.max(3, Math.ceil(Math.log10(value)))}).format(value);

/** @param {number | null} beta @param {string} language */
export const betaOf = (beta, language) => (beta === null ? "" : `β = ${written(beta, language)}`);

/** `count` places from 0 to 1. @param {number} count */
export const shares = count => Array.from({length: count}, (_, i) => i / (count - 1));

/** In how many columns, at most `most`, that many pictures stand so that no row is much shorter than the others.
 * @param {number} count @param {number} most */
export const columns = (count, most) => Math.ceil(count / Math.ceil(count / most));

/** How far a key moves a slider from 0 to 1: 5 % a press, as a hand would; a page is a fifth; Home and End are the
 * browser's. Null for other keys. @param {KeyboardEvent} event @param {number} share */
export function slideTo(event, share) {
  const steps = {ArrowRight: 0.05, ArrowUp: 0.05, ArrowLeft: -0.05, ArrowDown: -0.05, PageUp: 0.2, PageDown: -0.2};
  const step = /** @type {Record<string, number>} */ (steps)[event.key];
  if (!step) return null;
  event.preventDefault();
  return Math.max(0, Math.min(1, Math.round(100 * (share + step)) / 100));
}

/** One tab stop for a row of buttons: arrow keys go from one to the next. @param {HTMLElement} bar */
export function rove(bar) {
  const buttons = () => /** @type {HTMLElement[]} */ ([...bar.querySelectorAll("button:not([hidden])")]);
  const reach = (/** @type {any} */ to) => {
    const all = buttons(), now = all.includes(to) ? to : (all.find(button => button.tabIndex === 0) ?? all[0]);
    for (const button of bar.querySelectorAll("button")) button.tabIndex = button === now ? 0 : -1;
  };
  bar.addEventListener("keydown", event => {
    const all = buttons(), at = all.indexOf(/** @type {any} */ (event.target));
    const row = all.filter(button => button.offsetTop === all[0].offsetTop).length, down = row < all.length ? row : 1;
    const to = /** @type {Record<string, number>} */ ({
      ArrowRight: at + 1, ArrowLeft: at - 1, Home: 0, End: all.length - 1, ArrowDown: at + down, ArrowUp: at - down,
    })[event.key];
    if (to === undefined || at < 0) return;
    event.preventDefault();
    const button = all[Math.max(0, Math.min(all.length - 1, to))];
    reach(button);
    button.focus();
  });
  bar.addEventListener("focusin", event => reach(event.target));
  reach(null);
  return () => reach(null);
}

/** Runs `act` for the next picture of the screen, never two at once, and once more where it was asked for meanwhile.
 * @param {() => Promise<void>} act */
export function latest(act) {
  let busy = false, again = false;
  return function run() {
    again = true;
    if (busy) return;
    busy = true;
    requestAnimationFrame(async () => {
      again = false;
      try {
        await act();
      } finally {
        busy = false;
        if (again) run();
      }
    });
  };
}

/** What `make` gives to the first who asks is for all; where it fails, the next one tries again.
 * @template T @param {(...args: any[]) => Promise<T>} make @returns {(...args: any[]) => Promise<T>} */
export function once(make) {
  /** @type {Promise<T> | null} */ let made = null;
  return (...args) => (made ??= make(...args).catch(error => {
    made = null;
    throw error;
  }));
}

/** @type {Map<string, () => Promise<CSSStyleSheet>>} */
const sheets = new Map();

/** A constructed sheet, one for all parts, which so come at once: unlike <style>, a strict policy allows it.
 * @param {string} [name] */
export function openStyles(name = "mixer.css") {
  if (!sheets.has(name)) sheets.set(name, once(() => fetchStyles(name)));
  return /** @type {() => Promise<CSSStyleSheet>} */ (sheets.get(name))();
}

/** @param {string} name */
async function fetchStyles(name) {
  const response = await fetch(new URL(name, base)).catch(() => null);
  if (!response?.ok) throw new MixerError("missing", `${name} cannot be had`);
  const styles = new CSSStyleSheet();
  styles.replaceSync(await response.text());
  return styles;
}
