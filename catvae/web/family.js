// <kitten-family>: the mixes whose child became a parent, each a way back.

import {goBack} from "./bring.js";
import {titleOf} from "./cats.js";
import {fill, h} from "./dom.js";
import {Part, define} from "./part.js";

class Family extends Part {
  build() {
    return h("ol", {className: "family", "aria-label": this.words.family, hidden: true});
  }

  render() {
    const {words, store} = this, {family} = store, list = /** @type {HTMLElement} */ (this.root.querySelector(".family"));
    const focused = list.contains(this.root.activeElement);
    list.hidden = !family.length;
    list.replaceChildren(...family.map(({state: {a, b}, share, pictures}, i) => {
      const percent = Math.round(100 * share), label = fill(words.family_back, {a: titleOf(a, words), b: titleOf(b, words), percent});
      return h("li", {}, h("button", {type: "button", "aria-label": label, title: label, onclick: () => goBack(store, i)},
        pictures.map((picture, k) => [picture, h("span", {"aria-hidden": "true"}, ["+", "=", ""][k])])));
    }));
    if (focused) /** @type {HTMLElement | null} */ (list.querySelector("li:last-child button"))?.focus();
  }
}

define({"kitten-family": Family});
