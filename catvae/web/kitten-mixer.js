// <kitten-mixer model="v6" a="chelsea" b="kitten-04" lang="es">: two cats, and every face between them, in any page.

import "./cat-card.js";
import "./gallery.js";
import "./morph.js";
import "./ruler.js";
import {WISHES, addressOf, languageFor} from "./asked.js";
import {nameCat} from "./bring.js";
import {asMixerError, base, drawnCat, h, openStyles, say, sentenceOf} from "./dom.js";
import {define} from "./part.js";
import {storeOf} from "./state.js";
import {engine as ENGINE} from "./words.js";

const SMALL = 256; // pixels a side of what a small frame shows

class KittenMixer extends HTMLElement {
  static observedAttributes = [...WISHES, "lang", "compare"];

  store = storeOf(this.attachShadow({mode: "open"}));
  /** @type {any} */ parts = {};
  /** @type {IntersectionObserver | null} */ seen = null;
  begun = false;

  constructor() {
    super();
    const root = /** @type {ShadowRoot} */ (this.shadowRoot);
    const waiting = document.createElement("slot");
    Object.assign(waiting.style, {display: "block", minHeight: "1px"}); // what has no box is never seen
    root.append(waiting);
    for (const kind of ["choice", "words"]) this.store.addEventListener(kind, () => this.view && this.render());
    this.store.addEventListener("fatal", () => this.fail(this.store.fatal));
    this.store.addEventListener("shown", () => {
      this.dataset.state = "ready";
      this.dispatchEvent(new CustomEvent("change", {detail: this.link()}));
      for (const link of this.querySelectorAll('a[slot="link"]')) /** @type {any} */ (link).href = addressOf(this.store).href;
      if (this.hasAttribute("offline") && !this.dataset.offline) this.keepForLater();
    });
    root.addEventListener("open-model", () => this.removeAttribute("compare"));
  }

  get language() {
    const around = /** @type {HTMLElement | null} */ (this.closest("[lang]"));
    return languageFor(this.getAttribute("lang") || around?.lang || document.documentElement.lang || navigator.language);
  }

  // what pages and programs around it may ask
  get state() {
    return this.store.state;
  }

  get share() {
    return this.store.share;
  }

  get picture() {
    return this.parts.morph?.picture;
  }

  /** The place of that picture. */
  get drawn() {
    return this.parts.morph?.drawn;
  }

  /** @param {number} share */
  slide(share) {
    this.store.slide(share);
  }

  /** The attributes that show the same again; photos stay where they are. */
  link() {
    return this.store.link();
  }

  connectedCallback() {
    if (this.begun) return;
    this.seen = new IntersectionObserver(entries => {
      if (!entries.some(entry => entry.isIntersecting)) return;
      this.seen?.disconnect();
      this.start();
    }, {rootMargin: "800px"}); // a reader who never gets here loads nothing
    this.seen.observe(this);
  }

  disconnectedCallback() {
    this.seen?.disconnect();
    this.store.play(false);
  }

  /** @param {string} key @param {string | null} before @param {string | null} now */
  attributeChangedCallback(key, before, now) {
    if (before === now || !this.store.engine) return; // what is set while it loads is read then
    if (key === "lang") {
      this.store.chosen = now !== null;
      this.store.speak(this.language);
    }
    else if (key === "compare") this.render();
    else if (key.startsWith("name-")) nameCat(this.store, key === "name-a" ? "a" : "b", now ?? "");
    else {
      const value = /** @type {any} */ (this.store.read(this.wish))[key], choice = /** @type {any} */ (this.store.choice)[key];
      if (key in {a: 0, b: 0} ? value.name !== choice.name : value !== choice) this.store.change({[key]: value});
    }
  }

  get wish() {
    return Object.fromEntries(WISHES.map(key => [key, this.getAttribute(key) ?? ""]));
  }

  async start() {
    const {store} = this;
    this.begun = true;
    const asked = this.getAttribute("home"), own = new URL(ENGINE === "remote" ? ".." : ".", base);
    store.home = asked ? new URL(asked, document.baseURI).href : own.href;
    store.fatal = null;
    store.language = this.language;
    store.chosen = this.hasAttribute("lang");
    if (this.hasAttribute("compact")) store.most = SMALL;
    try {
      const more = this.hasAttribute("compact") ? [] : ["family", "fur", "send", "share"].map(part => import(`./${part}.js`));
      const [{openEngine}, styles] = await Promise.all([import(`./engine/${ENGINE}.js`), openStyles(), ...more]);
      const engine = await openEngine(() => store.words, () => store.language);
      /** @type {ShadowRoot} */ (this.shadowRoot).adoptedStyleSheets = [styles];
      store.language = this.language;
      store.engine = engine;
      this.build();
      await store.open(engine, this.wish, {home: store.home, keeps: this.hasAttribute("offline")});
    } catch (error) {
      this.fail(error);
    }
  }

  build() {
    const {store, parts} = this, {steps} = store.manifest, compact = this.hasAttribute("compact");
    parts.cats = ["a", "b"].map(side => h("kitten-cat", {side, compact}));
    parts.morph = h("kitten-morph", {compact});
    parts.compare = h("kitten-compare", {bare: true, compact, hidden: true});
    parts.all = h("button", {type: "button", className: "all", onclick: () => this.toggleAttribute("compare")});
    parts.steps = h("input", {type: "range", min: steps.min, max: steps.max, step: 1, oninput: () => store.change({steps: Number(parts.steps.value)})});
    parts.count = h("span", {className: "share"});
    parts.stepsWord = h("span");
    parts.paths = h("fieldset", {className: "paths"});
    parts.more = h("summary");
    parts.private = h("p", {className: "small", hidden: ENGINE !== "local"});
    const slot = compact ? h("slot", {name: "link"}) : null;
    this.view = h("div", {className: "mixer"},
      h("div", {className: "table"}, parts.cats[0], h("div", {className: "middle"}, parts.morph, parts.compare),
        parts.cats[1], h("kitten-ruler", {compact}, parts.all)),
      !compact && [h("kitten-send"), h("kitten-family")], h("kitten-gallery", {compact, ends: !compact}),
      compact ? slot : [h("details", {className: "more"}, parts.more, h("div", {className: "choices"},
        h("label", {className: "steps"}, parts.stepsWord, parts.steps, parts.count), parts.paths, h("kitten-fur")), h("kitten-save")),
        parts.private, this.hasAttribute("offline") && h("kitten-share")]);
    /** @type {ShadowRoot} */ (this.shadowRoot).replaceChildren(this.view);
  }

  render() {
    const {store, parts} = this, {words, choice} = store, {variants} = store.manifest, comparing = this.hasAttribute("compare");
    if (!choice) return;
    if (parts.paths.dataset.words !== words.path) {
      parts.paths.dataset.words = words.path;
      parts.paths.replaceChildren(h("legend", {}, words.path), ...["lerp", "slerp"].map(path =>
        h("label", {}, h("input", {type: "radio", name: "path", value: path, onchange: () => store.change({path})}), h("span", {}, words[`path_${path}`]))));
    }
    for (const radio of parts.paths.querySelectorAll("input")) radio.checked = radio.value === choice.path;
    say(parts.all, words.web_all);
    say(parts.more, words.more);
    say(parts.private, words.web_private);
    parts.all.hidden = Object.keys(variants).length < 2;
    parts.all.setAttribute("aria-pressed", comparing);
    parts.morph.hidden = comparing;
    parts.compare.hidden = !comparing;
    if (comparing) import("./compare.js").catch(error => store.report({text: sentenceOf(asMixerError(error), words)}));
    say(parts.stepsWord, words.steps);
    parts.steps.value = choice.steps;
    parts.steps.setAttribute("aria-valuetext", choice.steps);
    say(parts.count, String(choice.steps));
  }

  /** On a page of its own it fetches what photos need too, so that all of it works without the network. */
  async keepForLater() {
    const {model} = this.store.choice;
    try {
      await this.store.engine.keepForLater?.(model);
      this.dataset.offline = model;
    } catch (error) {
      console.warn("kitten-mixer:", error); // it is tried again when a photo needs it, and told then
    }
  }

  /** In place of a mixer that cannot run: a picture and a sentence. The picture is what the page has put between the
   * tags, else our own file, and lines where neither can be had. @param {unknown} error */
  fail(error) {
    const known = asMixerError(error), {words} = this.store;
    console.warn("kitten-mixer:", known);
    this.view = null;
    this.store.play(false);
    openStyles().then(styles => (/** @type {ShadowRoot} */ (this.shadowRoot).adoptedStyleSheets = [styles])).catch(() => {});
    const slot = h("slot", {}, h("img", {src: new URL("preview.jpg", this.store.home || base).href, alt: words.web_preview, className: "preview"}));
    const watch = (/** @type {Element[]} */ elements) => {
      for (const image of elements.flatMap(element => [element, ...element.querySelectorAll("img")])) {
        if (!(image instanceof HTMLImageElement)) continue;
        if (image.complete && !image.naturalWidth && image.src) slot.replaceWith(drawnCat());
        else image.addEventListener("error", () => slot.assignedElements({flatten: true}).some((/** @type {Element} */ element) => element.contains(image)) && slot.replaceWith(drawnCat()));
      }
    };
    slot.addEventListener("slotchange", () => watch(slot.assignedElements()));
    watch([...slot.children]);
    /** @type {ShadowRoot} */ (this.shadowRoot).replaceChildren(h("div", {className: "failed", role: "alert", title: known.message}, slot,
      h("p", {}, sentenceOf(known, words)), h("button", {type: "button", onclick: () => this.start()}, words.web_again)));
    this.dataset.state = known.kind;
  }
}

define({"kitten-mixer": KittenMixer});
