// <kitten-ruler>: β as one ruler with a stop for each model, and what the chosen one keeps of a cat.

import {betaOf, fill, h, say} from "./dom.js";
import {Part, define} from "./part.js";

/** From how many nats on a model keeps what; found by looking at ours. @type {[number, string][]} */
const KEPT = [[1000, "keeps_markings"], [400, "keeps_fur"], [150, "keeps_face"], [80, "keeps_look"], [0, "keeps_pose"]];

class Ruler extends Part {
  build() {
    const {words, store, parts} = this, {variants} = store.manifest;
    const stops = Object.entries(variants).map(([name, {beta, painted}]) => h("label", {title: store.titleOf(name)},
      h("input", {type: "radio", name: "model", value: name, onchange: () => store.change({model: name})}),
      h("b", {}, name), h("span", {}, painted ? words.sharp : [beta != null && h("i", {}, "β "), betaOf(beta, store.language).replace("β = ", "")])));
    parts.stops = h("fieldset", {className: "models"}, h("legend", {}, words.model), stops);
    parts.keeps = h("p", {className: "keeps", role: "status"});
    return h("div", {className: "ruler"}, h("span", {className: "from"}, words.remembers_all), parts.stops,
      h("span", {className: "to"}, words.remembers_cat), h("div", {className: "told"}, parts.keeps, h("slot")));
  }

  /** In nats, as evaluation has measured them, and in words. @param {string} name */
  describe(name) {
    const {words, store} = this, {beta, kl, painted} = store.manifest.variants[name];
    if (kl == null) return store.titleOf(name);
    const nats = new Intl.NumberFormat(store.language, {maximumFractionDigits: 0}).format(kl);
    const what = words[/** @type {[number, string]} */ (KEPT.find(([least]) => kl >= least))[1]];
    const model = this.hasAttribute("compact") ? [] : [name, betaOf(beta, store.language)]; // a low frame has no room to say it twice
    return [...model, fill(words.keeps, {nats, what}), painted && words.keeps_invented].filter(Boolean).join(" · ");
  }

  render() {
    const {model} = this.store.choice;
    for (const radio of this.parts.stops.querySelectorAll("input")) radio.checked = radio.value === model;
    say(this.parts.keeps, this.describe(model));
  }
}

define({"kitten-ruler": Ruler});
