// The folder's own page around the mixer: its language, its address, and what it shows without the network.

import {WISHES, languageFor, markLanguage} from "./asked.js";
import words from "./words.js";

const REST_MS = 400; // browsers count changes of the address
const asked = new URLSearchParams(location.search), mixer = /** @type {HTMLElement} */ (document.querySelector("kitten-mixer"));
const nav = /** @type {HTMLElement} */ (document.querySelector("nav"));

/** @param {string} language */
function speak(language) {
  document.documentElement.lang = language;
  document.title = words[language].web_title;
  for (const element of document.querySelectorAll("[data-word]")) element.textContent = words[language][element.getAttribute("data-word") ?? ""];
  markLanguage(nav, language);
}

let rest = 0;

// The address opens what is shown.
/** @param {Record<string, string>} state @param {string} language */
function showAddress(state, language) {
  const query = new URLSearchParams(mixer.hasAttribute("lang") ? {...state, lang: language} : state);
  for (const key of ["theme", "compact"]) if (asked.has(key)) query.set(key, asked.get(key) ?? "");
  clearTimeout(rest);
  rest = setTimeout(() => {
    try {
      history.replaceState(null, "", `?${query}`);
    } catch (error) {
      console.warn("address:", error); // too many in a short time
    }
  }, REST_MS);
}

let language = languageFor(asked.get("lang") ?? navigator.language);
let state = Object.fromEntries(WISHES.filter(key => asked.has(key)).map(key => [key, asked.get(key) ?? ""]));
for (const [key, value] of Object.entries(state)) mixer.setAttribute(key, value);
mixer.toggleAttribute("compact", asked.has("compact")); // for low frames
const theme = asked.get("theme");
if (theme === "dark" || theme === "light") document.documentElement.style.colorScheme = theme;
if (window !== window.top || asked.has("compact")) document.body.classList.add("framed"); // in a frame the mixer is all there is
for (const [code, its] of Object.entries(words)) {
  const link = Object.assign(document.createElement("a"), {href: `?lang=${code}`, lang: code, hreflang: code, title: its.language_name, textContent: code.toUpperCase()});
  link.addEventListener("click", event => {
    event.preventDefault();
    speak((language = code)); // no reload: a photo would be gone
    mixer.setAttribute("lang", code); // and links tell it, as it was chosen
    showAddress(state, language);
  });
  nav.append(link);
}
speak(language);
if (asked.has("lang")) mixer.setAttribute("lang", language);
mixer.addEventListener("change", event => showAddress((state = /** @type {CustomEvent} */ (event).detail), language));
import("./kitten-mixer.js").catch(error => console.warn("kitten-mixer:", error)); // the preview stays
const policy = /** @type {any} */ (window).trustedTypes?.createPolicy("kitten-mixer", {createScriptURL: (/** @type {string} */ url) => url});
const worker = policy?.createScriptURL("sw.js") ?? "sw.js";
if ("serviceWorker" in navigator) navigator.serviceWorker.register(worker).catch(error => console.warn("offline:", error));
