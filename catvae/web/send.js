// <kitten-send>: the buttons that send and save what is shown, and those that bring other cats.

import {asMixerError, h, say} from "./dom.js";
import {Part} from "./part.js";
import {PNG_SIDES, save} from "./saving.js";

const STILLS = ["card", "png"];

export class Send extends Part {
  /** @type {any} */ parts = {};

  build() {
    const {words, store, parts} = this, {films} = store.manifest;
    const button = (/** @type {string} */ kind, /** @type {string} */ label, /** @type {string} */ className = "") =>
      h("button", {type: "button", className, "data-save": kind, "data-label": label, onclick: (/** @type {any} */ event) => this.act(kind, event.target)}, label);
    parts.side = h("select", {"aria-label": words.png_side, onchange: () => (store.pngSide = Number(parts.side.value))},
      PNG_SIDES.map(side => h("option", {value: side, selected: side === store.pngSide}, `${side} px`)));
    parts.menu = h("details", {}, h("summary", {}, words.save), h("div", {className: "menu"},
      h("div", {}, button("face", words.save_face), parts.side),
      [...STILLS, ...films].map(kind => button(kind, words[`save_${kind}`]))));
    parts.note = h("span", {className: "note", role: "status"});
    const local = h("input", {type: "checkbox", checked: store.engine.name === "local", onchange: () => this.switch(local)});
    parts.menu.addEventListener("keydown", (/** @type {KeyboardEvent} */ event) => {
      if (event.key !== "Escape" || !parts.menu.open) return;
      parts.menu.open = false;
      parts.menu.querySelector("summary").focus();
    });
    return h("div", {className: "send"}, button("send", words.send, "main"), parts.menu,
      h("button", {type: "button", className: "surprise", onclick: () => store.surprise()}, words.surprise),
      h("button", {type: "button", className: "newborn", onclick: () => store.newborn()}, words.newborn),
      store.other && h("label", {className: "local"}, local, " ", words.web_local), parts.note);
  }

  listen() {
    this.on("making", () => this.render());
    document.addEventListener("click", event => {
      if (this.parts.menu.open && !event.composedPath().includes(this.parts.menu)) this.parts.menu.open = false;
    }, {signal: this.gone?.signal});
  }

  /** @param {HTMLInputElement} box */
  async switch(box) {
    const {store} = this;
    box.disabled = true;
    try {
      await store.ask(await store.other?.());
    } catch (error) {
      box.checked = store.engine.name === "local";
      box.disabled = false;
      store.note(this.words[`web_${asMixerError(error).kind}`] ?? this.words.no_answer);
    }
  }

  /** @param {string} kind @param {HTMLElement} button */
  async act(kind, button) {
    await save(this.store, kind);
    const {menu} = this.parts, {activeElement} = this.root, inside = menu.open && menu.contains(button);
    menu.open = false; // it lies over the controls
    if (!activeElement || menu.contains(activeElement)) (inside ? menu.querySelector("summary") : button).focus({preventScroll: true});
  }

  render() {
    const {store, words, parts} = this;
    say(parts.note, store.said);
    for (const button of this.root.querySelectorAll("button[data-save]")) {
      const mine = button.getAttribute("data-save") === store.making;
      /** @type {HTMLButtonElement} */ (button).disabled = Boolean(store.making);
      button.toggleAttribute("aria-busy", mine);
      if (mine) button.setAttribute("aria-busy", "true");
      say(button, mine ? words.send_making : /** @type {string} */ (button.getAttribute("data-label")));
    }
  }
}
