// <kitten-send>: the two main buttons, and those that bring other cats. <kitten-save>: what is shown, as files.

import {breed, changeEngine, newborn, surprise} from "./bring.js";
import {calledOf} from "./cats.js";
import {fill, h, say, sentenceOf} from "./dom.js";
import {Part, define} from "./part.js";
import {PNG_SIDES, save} from "./saving.js";

const STILLS = ["card", "png"];

/** Buttons that make files: one thing at a time, which says so. */
class Maker extends Part {
  /** @param {string} kind @param {string} label @param {string} [className] */
  button(kind, label, className = "") {
    return h("button", {type: "button", className, "data-save": kind, "data-label": label, onclick: async (/** @type {any} */ {currentTarget: button}) => {
      await save(this.store, kind);
      if (!this.root.activeElement) button.focus({preventScroll: true}); // it was disabled meanwhile
    }}, label);
  }

  listen() {
    super.listen();
    this.on("making", () => this.render());
  }

  render() {
    const {store, words} = this;
    for (const button of this.root.querySelectorAll("button[data-save]")) {
      const mine = button.getAttribute("data-save") === store.making;
      /** @type {HTMLButtonElement} */ (button).disabled = Boolean(store.making);
      button.ariaBusy = mine ? "true" : null;
      say(button, mine ? words.send_making : /** @type {string} */ (button.getAttribute("data-label")));
    }
  }
}

class Send extends Maker {
  build() {
    const {words, store, parts} = this;
    parts.send = this.button("send", words.send, "main");
    parts.note = h("span", {className: "note", role: "status"});
    return h("div", {className: "send"}, h("div", {className: "acts"}, parts.send,
      h("button", {type: "button", className: "breed", title: words.breed_info, onclick: () => breed(store)}, words.breed)),
      h("div", {className: "others"},
        h("button", {type: "button", className: "surprise", onclick: () => surprise(store)}, words.surprise),
        h("button", {type: "button", className: "newborn", onclick: () => newborn(store)}, words.newborn)), parts.note);
  }

  render() {
    const {store, words, parts} = this, {state} = store;
    const [a, b] = state ? [state.a, state.b].map(cat => calledOf(cat, words)) : [];
    parts.send.dataset.label = a && b ? fill(words.send_kitten, {a, b}) : words.send;
    const news = store.said && parts.note.textContent !== store.said;
    say(parts.note, store.said);
    if (news) parts.note.scrollIntoView({block: "nearest"}); // on a phone it stands below the picture
    super.render();
  }
}

class Save extends Maker {
  build() {
    const {words, store, parts} = this, {films} = store.manifest;
    parts.side = h("select", {"aria-label": words.png_side, onchange: () => (store.pngSide = Number(parts.side.value))},
      PNG_SIDES.map(side => h("option", {value: side, selected: side === store.pngSide}, `${side} px`)));
    const local = h("input", {type: "checkbox", checked: store.engine.name === "local", onchange: () => this.switch(local)});
    return h("div", {className: "save"}, h("strong", {}, words.save), this.button("face", words.save_face), parts.side,
      [...STILLS, ...films].map(kind => this.button(kind, words[`save_${kind}`])),
      store.other && h("label", {className: "local"}, local, " ", words.web_local));
  }

  /** @param {HTMLInputElement} box */
  async switch(box) {
    const {store} = this;
    box.disabled = true;
    try {
      await changeEngine(store, await store.other?.());
    } catch (error) {
      box.checked = store.engine.name === "local";
      box.disabled = false;
      store.note(sentenceOf(error, this.words));
    }
  }
}

define({"kitten-send": Send, "kitten-save": Save});
