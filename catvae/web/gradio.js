// The parts on a page of Gradio's: its components for model, steps and path, and the parts, follow each other, and
// the language changes in place. A hidden component of the page's is the bridge: its value is JSON.

import "./kitten-mixer.js";
import "./compare.js";
import "./explore.js";
import "./family.js";
import "./fur.js";
import "./lesson.js";
import "./pad.js";
import "./send.js";
import "./share.js";
import {WISHES, languageFor, markLanguage} from "./asked.js";
import {base} from "./dom.js";
import {storeOf} from "./state.js";
import words, {engine as ENGINE} from "./words.js";

/** @param {HTMLElement} element the bridge @param {any} props @param {(kind: string, data?: any) => void} trigger
 * @param {(key: string, act: () => void) => void} watch */
export async function connect(element, props, trigger, watch) {
  const root = /** @type {any} */ (element.getRootNode()), store = storeOf(root);
  const app = (element.closest("gradio-app") ?? root.host?.closest("gradio-app"))?.matches("[src], [space]"); // in another page
  root.querySelector("#tabs .tab-wrapper")?.after(root.querySelector("#cats")); // the Tab key goes as the eye does
  const params = new URLSearchParams(app ? "" : location.search);
  const asked = params.get("lang");
  store.chosen = Object.hasOwn(words, asked ?? "");
  store.language = languageFor(store.chosen ? asked : navigator.language);
  // which language Gradio's own words are in, when its settings change it
  watch("label", () => Object.hasOwn(words, props.label ?? "") && speak(props.label, false));

  const tellGradio = () => {
    const {model, steps, path} = store.choice, now = JSON.stringify([model, steps, path]);
    if (now === props.value) return;
    props.value = now;
    trigger("input");
  };
  watch("value", () => {
    const [model, steps, path] = JSON.parse(props.value || "[]"), {choice} = store;
    if (model && store.engine && (model !== choice.model || steps !== choice.steps || path !== choice.path)) store.change({model, steps, path});
  });
  store.addEventListener("choice", tellGradio);
  const steps = root.querySelector("#steps"), nameSteps = () => {
    for (const input of steps.querySelectorAll("input")) if (input.ariaLabel !== store.words.steps) input.ariaLabel = store.words.steps;
  };
  new MutationObserver(nameSteps).observe(steps, {subtree: true, attributeFilter: ["aria-label"]}); // "range slider for Pasos"
  nameSteps();
  store.addEventListener("drawn", () => document.dispatchEvent(new Event("kitten-drawn")));
  root.addEventListener("open-model", () => root.querySelector("#tab-mix-button")?.click());

  /** @param {string} language @param {boolean} [all] Gradio's words too */
  async function speak(language, all = true) {
    if (language === store.language && all === false) return;
    store.chosen = true;
    store.speak(language);
    const container = element.closest(".gradio-container");
    if (container) markLanguage(container, language);
    if (app) container?.setAttribute("lang", language);
    else {
      document.documentElement.lang = language;
      const url = new URL(location.href);
      url.searchParams.set("lang", language);
      history.replaceState(history.state, "", url);
    }
    if (!navigator.onLine) return; // all but Gradio's own words has changed, and it would say what it cannot reach
    if (all) await changeGradio(language).catch(() => location.reload()); // what is kept comes back
    trigger("select", {language});
  }

  root.addEventListener("click", (/** @type {any} */ event) => {
    const link = event.target.closest?.("#head a");
    if (link?.lang) speak(link.lang);
    else if (link?.matches(".skip")) root.querySelector("kitten-morph")?.shadowRoot?.querySelector(".slider")?.focus();
    else return;
    event.preventDefault();
  });

  const {openEngine} = await import(`./engine/${ENGINE}.js`);
  const engine = await openEngine(() => store.words, () => store.language);
  const wish = Object.fromEntries(WISHES.map(key => [key, params.get(key) ?? ""]));
  if (engine.manifest.mixer) store.other = async () => {
    if (store.engine !== engine) return engine;
    const {openEngine: open} = await import(new URL("../mixer/engine/local.js", base).href);
    const local = await open(() => store.words, () => store.language), {films, variants, first, dials} = local.manifest;
    return Object.assign(local, {manifest: {...engine.manifest, films, variants, first, dials}});
  };
  await store.open(engine, wish, {home: new URL("..", base).href, keeps: true});
}

/** Gradio's own words, and those that it writes for us. @param {string} language */
async function changeGradio(language) {
  const core = performance.getEntriesByType("resource").map(({name}) => name).find(name => /\/assets\/core-[^/]*\.js/.test(name));
  if (!core) throw new Error("not Gradio's page");
  await (await import(core)).changeLocale(language);
}
