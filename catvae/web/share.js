// <kitten-share>: the link to what is shown, and what shows it in other pages, to be copied.

import {addressOf} from "./asked.js";
import {fill, h, say} from "./dom.js";
import {Part, define} from "./part.js";

const escaped = (/** @type {string} */ text) => text.replaceAll("&", "&amp;").replaceAll('"', "&quot;");

/** What shows the same elsewhere, in the language that was chosen, if one was.
 * @param {import("./state.js").Store} store @returns {any[]} */
const wishOf = store => [...Object.entries(store.link()), ...(store.chosen ? [["lang", store.language]] : [])];

/** @param {import("./state.js").Store} store */
function iframe(store) {
  const url = new URL("embed", store.home), title = store.words.card_title;
  for (const [key, value] of wishOf(store)) if (value !== "lerp") url.searchParams.set(key, value);
  return `<iframe src="${escaped(url.href)}" title="${escaped(title)}" width="700" height="420"\n  style="border: 0; max-width: 100%" loading="lazy"></iframe>`;
}

/** @param {import("./state.js").Store} store */
const gradioApp = store =>
  `<script type="module" src="https://gradio.s3-us-west-2.amazonaws.com/${store.manifest.gradio}/gradio.js"></script>\n` +
  `<gradio-app src="${store.home.replace(/\/$/, "")}"></gradio-app>`;

/** @param {import("./state.js").Store} store */
function component(store) {
  const attributes = wishOf(store).map(([key, value]) => ` ${key}="${escaped(value)}"`).join("");
  return `<script type="module" src="${new URL("kitten-mixer.js", store.home)}"></script>\n<kitten-mixer${attributes}>\n` +
    `  <img src="${new URL("preview.jpg", store.home)}" alt="">\n</kitten-mixer>`;
}

class Share extends Part {
  build() {
    const {words, parts, store} = this;
    /** @type {[string, string, (store: any) => string][]} */
    const fields = [["link", "share_link", store => addressOf(store).href],
      ...(store.manifest.gradio ? /** @type {any} */ ([["iframe", "share_iframe", iframe], ["app", "share_component", gradioApp]])
        : [["component", "web_embed", component]])];
    parts.note = h("p", {role: "status", hidden: true});
    parts.fields = fields.map(([name, key, make]) => {
      const field = h("textarea", {readOnly: true, rows: name === "link" ? 1 : 3, className: name, "aria-label": words[key]});
      const copy = h("button", {type: "button", "aria-label": `${words.copy}: ${words[key]}`, onclick: async () => {
        await navigator.clipboard?.writeText(field.value).catch(() => field.select());
        say(copy, words.copied);
        setTimeout(() => say(copy, words.copy), 5000);
      }}, words.copy);
      return {field, make, element: h("div", {className: "field"}, h("span", {}, words[key]), copy, field)};
    });
    return h("details", {className: "share", ontoggle: () => this.render()}, h("summary", {}, words.sharing),
      h("p", {className: "small"}, store.manifest.gradio ? words.share_link_info : words.web_embed_info), parts.note,
      parts.fields.map((/** @type {any} */ {element}) => element));
  }

  render() {
    const {store, words, parts} = this;
    if (!store.state) return;
    const own = /** @type {("a" | "b")[]} */ (["a", "b"]).filter(side => !store.state?.[side].name).map(side => words[`cat_${side}`]);
    parts.note.hidden = !own.length;
    say(parts.note, own.length ? fill(words.share_own, {cats: own.join(", ")}) : "");
    for (const {field, make} of parts.fields) field.value = make(store);
  }
}

define({"kitten-share": Share});
