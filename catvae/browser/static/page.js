// The page around the mixer: its language, its address, and what to paste to have it elsewhere.

import words from "./words.js";

const asked = new URLSearchParams(location.search), mixer = document.querySelector("kitten-mixer");
const KEPT = ["a", "b", "model", "steps", "path"];

function speak(language) {
  document.documentElement.lang = language;
  document.title = words[language].web_title;
  for (const element of document.querySelectorAll("[data-word]")) element.textContent = words[language][element.dataset.word];
  for (const link of document.querySelectorAll("nav a")) {
    if (link.lang === language) link.setAttribute("aria-current", "true");
    else link.removeAttribute("aria-current");
  }
  mixer.setAttribute("lang", language);
}

// The address opens what is shown; so does the snippet.
function showAddress(state, language) {
  const query = new URLSearchParams({...state, lang: language});
  for (const key of ["theme", "compact"]) if (asked.has(key)) query.set(key, asked.get(key));
  history.replaceState(null, "", `?${query}`);
  const script = new URL("kitten-mixer.js", location.href);
  const attributes = Object.entries({...state, lang: language}).map(([key, value]) => ` ${key}="${value}"`).join("");
  document.querySelector("#embed code").textContent =
    `<script type="module" src="${script}"></script>\n<kitten-mixer${attributes}>\n  <img src="${new URL("preview.jpg", location.href)}" alt="">\n</kitten-mixer>`;
}

let language = (asked.get("lang") ?? navigator.language).slice(0, 2).toLowerCase() in words ? (asked.get("lang") ?? navigator.language).slice(0, 2).toLowerCase() : "en";
let state = Object.fromEntries(KEPT.filter(key => asked.has(key)).map(key => [key, asked.get(key)]));
for (const [key, value] of Object.entries(state)) mixer.setAttribute(key, value);
mixer.toggleAttribute("compact", asked.has("compact")); // for low frames
if (asked.get("theme") === "dark" || asked.get("theme") === "light") document.documentElement.style.colorScheme = asked.get("theme");
if (window !== window.top) document.body.classList.add("framed"); // in a frame the mixer is all there is
speak(language);
showAddress(state, language);
mixer.addEventListener("change", event => showAddress((state = event.detail), language));
for (const link of document.querySelectorAll("nav a")) {
  link.addEventListener("click", event => {
    event.preventDefault();
    speak((language = link.lang)); // no reload: a photo would be gone
    showAddress(state, language);
  });
}
import("./kitten-mixer.js").catch(error => console.warn("kitten-mixer:", error)); // the preview stays
const policy = window.trustedTypes?.createPolicy("kitten-mixer", {createScriptURL: url => url});
const worker = policy?.createScriptURL("sw.js") ?? "sw.js";
if ("serviceWorker" in navigator) navigator.serviceWorker.register(worker).catch(error => console.warn("offline:", error));
