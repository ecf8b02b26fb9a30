// <kitten-fur>: at full size, whose fur the picture has: as much of B's as of the rest, or more, or less.

import {h, percentOf, say, slideTo} from "./dom.js";
import {Part, define} from "./part.js";

class Fur extends Part {
  build() {
    const {words, parts, store} = this;
    parts.slider = h("input", {type: "range", min: 0, max: 1000, step: 1, "aria-label": words.fur,
      oninput: () => store.comb(parts.slider.value / 1000), ondblclick: () => store.comb(null)});
    parts.slider.addEventListener("keydown", (/** @type {KeyboardEvent} */ event) => {
      const share = slideTo(event, store.fur ?? store.share);
      if (share !== null) store.comb(share);
    });
    parts.told = h("span", {className: "share"});
    parts.reset = h("button", {type: "button", className: "reset", onclick: () => {
      store.comb(null);
      parts.slider.focus(); // the button is gone
    }}, words.fur_same);
    return h("div", {className: "steps fur", title: words.fur_info}, h("span", {"aria-hidden": "true"}, words.fur), parts.slider, parts.told, parts.reset);
  }

  listen() {
    super.listen();
    this.on("share", () => this.render());
  }

  render() {
    const {words, parts, store} = this, {fur, share} = store, told = fur === null ? words.fur_same : percentOf(fur, words);
    this.hidden = store.fullness !== "on";
    parts.slider.value = Math.round(1000 * (fur ?? share));
    parts.slider.setAttribute("aria-valuetext", told);
    say(parts.told, told);
    parts.reset.hidden = fur === null;
  }
}

define({"kitten-fur": Fur});
