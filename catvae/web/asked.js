// What an address, or an element's attributes, may ask of a mixer; the language of a page and of its links.

import languages from "./words.js";

export const WISHES = ["a", "b", "model", "steps", "path", "full", "name-a", "name-b"];

/** @param {string | null | undefined} asked @returns {string} */
export const languageFor = asked => {
  const short = (asked ?? "").slice(0, 2).toLowerCase();
  return Object.hasOwn(languages, short) ? short : "en";
};

/** Marks the link to the language that is spoken, among those of a page. @param {Element} links @param {string} language */
export function markLanguage(links, language) {
  for (const link of links.querySelectorAll("a[lang]")) {
    if (link.getAttribute("lang") === language) link.setAttribute("aria-current", "true");
    else link.removeAttribute("aria-current");
  }
}

/** The address of what is shown, or of the mixer alone where a cat is the visitor's own.
 * @param {import("./state.js").Store} store */
export function addressOf(store) {
  const {a, b, ...rest} = store.link(), url = new URL(store.home);
  const params = a && b ? {a, b, ...rest, path: rest.path === "lerp" ? "" : rest.path} : {};
  for (const [key, value] of Object.entries({...params, lang: store.chosen ? store.language : ""})) if (value) url.searchParams.set(key, value);
  return {href: url.href, whole: Boolean(a && b)};
}
