// What all parts of a mixer have in common: they find the state in their root, wear the same style sheet, are built anew in
// another language, and stop listening when they are taken out.

import {asMixerError, h, openStyles} from "./dom.js";
import {storeOf} from "./state.js";

export class Part extends HTMLElement {
  /** @type {string[]} style sheets beside that of all parts */ static sheets = [];
  /** @type {AbortController | null} */ gone = null;
  store = storeOf(document);
  /** @type {any} elements by what they are for */ parts = {};

  /** @returns {ShadowRoot} */
  get root() {
    return this.shadowRoot ?? this.attachShadow({mode: "open"});
  }

  get words() {
    return this.store.words;
  }

  async connectedCallback() {
    this.gone?.abort();
    const gone = (this.gone = new AbortController());
    this.store = storeOf(this.getRootNode());
    const {sheets} = /** @type {typeof Part} */ (this.constructor);
    const styles = Promise.all(["mixer.css", ...sheets].map(openStyles)).catch(asMixerError);
    const [worn] = await Promise.all([styles, this.store.ready]);
    if (gone.signal.aborted || !Array.isArray(worn)) return;
    this.root.adoptedStyleSheets = worn;
    this.rebuild();
    this.on("words", () => this.rebuild());
    this.listen();
  }

  disconnectedCallback() {
    this.gone?.abort();
  }

  /** @param {string} kind @param {() => void} act */
  on(kind, act) {
    this.store.addEventListener(kind, act, {signal: this.gone?.signal});
  }

  rebuild() {
    this.root.replaceChildren(...[this.build()].flat());
    this.render();
  }

  /** Its elements, in the words of now. @returns {any} */
  build() {
    return h("span");
  }

  /** What of the state they show. */
  render() {}

  /** To what of the state it listens. */
  listen() {
    for (const kind of ["choice", "shown"]) this.on(kind, () => this.render());
  }

  /** A dialogue of its own, closed by its button, by Escape and by a click beside it. @param {string} className @param {string} title @param {any[]} content */
  dialog(className, title, content, closed = () => {}) {
    const dialog = h("dialog", {className, "aria-label": title, onclose: closed},
      h("div", {className: "bar"}, h("strong", {}, title), h("button", {type: "button", className: "close", "aria-label": this.words.close, onclick: () => dialog.close()}, "×")),
      ...content);
    dialog.addEventListener("click", (/** @type {Event} */ event) => event.target === dialog && dialog.close()); // beside it
    return dialog;
  }
}

/** A page may hold these modules twice, an app's and a folder's: the first to come are its elements.
 * @param {Record<string, CustomElementConstructor>} elements by name */
export function define(elements) {
  for (const [name, element] of Object.entries(elements)) if (!customElements.get(name)) customElements.define(name, element);
}
