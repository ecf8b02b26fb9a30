// The example cats to choose from: one of them as a button, and all of them in a dialogue.

import {isPainted, nameOf} from "./cats.js";
import {fill, h, rove} from "./dom.js";

/** @param {import("./part.js").Part} part @param {string} cat what it becomes, "Cat A" @param {string} name
 * @param {(name: string) => void} choose */
export function tileOf({words, store}, cat, name, choose) {
  const names = store.manifest.cats, called = nameOf(name, words), at = names.indexOf(name) / Math.max(1, names.length - 1);
  const image = h("span", {className: "tile"});
  image.style.backgroundImage = `url("${store.engine.spriteUrl}")`;
  image.style.backgroundSize = `${100 * names.length}% 100%`;
  image.style.backgroundPosition = `${100 * at}% 0`;
  const kind = words[isPainted(name) ? "cats_painted" : "cats_real"];
  return h("button", {type: "button", "data-cat": name, "aria-label": fill(words.cat_as, {name: called, cat}), title: `${called}: ${kind}`, onclick: () => choose(name)}, image);
}

/** @param {import("./part.js").Part} part @param {string} cat @param {(name: string) => void} choose
 * @param {any[]} [more] below the cats */
export function shelfOf(part, cat, choose, more = []) {
  const {words} = part, {cats} = part.store.manifest;
  const rows = [["real_cats", (/** @type {string} */ name) => !isPainted(name)], ["painted_cats", isPainted]].flatMap(([key, ours]) => {
    const tiles = cats.filter(ours).map((/** @type {string} */ name) => tileOf(part, cat, name, chosen => {
      shelf.close();
      choose(chosen);
    }));
    if (!tiles.length) return [];
    const row = h("div", {className: "grid", role: "toolbar", "aria-label": words[/** @type {string} */ (key)]}, tiles);
    rove(row);
    return [h("p", {}, words[/** @type {string} */ (key)]), row];
  });
  const shelf = part.dialog("shelf", fill(words.all_cats_as, {count: cats.length, cat}), [...rows, ...more]);
  return shelf;
}
