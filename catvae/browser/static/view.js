// What the mixer looks like: elements and their words. What they do is told to the `acts` that are handed in.

import {nameOf, thumbnail} from "./cats.js";
import {drawnCat, fill, h, newCanvas, paint} from "./dom.js";
import {base} from "./files.js";
import {photoPanel} from "./photo.js";

const SIDES = ["a", "b"];
const STAGE = 512, FACE = 256, CELL = 256, FRAME = 128;

export const percentOf = (share, words) => fill(words.share, {percent: Math.round(100 * share)});
const number = (value, language) => new Intl.NumberFormat(language, {maximumSignificantDigits: 3}).format(value);
let ids = 0;

export function buildView(manifest, words, language, acts) {
  const id = `mixer-${++ids}`, view = {words, language};
  view.stage = newCanvas(STAGE, {className: "stage", role: "img"});
  view.cells = h("div", {className: "cells", hidden: true});
  view.veil = h("div", {className: "veil"}, (view.progress = h("progress", {max: 1, "aria-label": words.web_starting})), (view.wait = h("span", {})));
  view.cats = Object.fromEntries(SIDES.map(side => [side, buildCat(side, manifest, words, id, acts)]));
  view.play = h("button", {type: "button", className: "play", onclick: acts.play});
  view.slider = h("input", {type: "range", min: 0, max: 100, step: 1, className: "slider", "aria-label": words.morph, oninput: event => acts.slide(event.target.value / 100)});
  view.slider.addEventListener("keydown", event => {  // 5 % a press, as in the app
    const step = {ArrowRight: 5, ArrowUp: 5, ArrowLeft: -5, ArrowDown: -5, PageUp: 20, PageDown: -20}[event.key];
    if (!step) return;
    event.preventDefault();
    event.target.value = Number(event.target.value) + step;
    acts.slide(event.target.value / 100);
  });
  view.share = h("span", {className: "share"}); // no <output>: it would be read out at every frame
  view.models = buildModels(manifest, words, language, id, acts);
  view.all = h("button", {type: "button", className: "all", "aria-pressed": "false", hidden: Object.keys(manifest.variants).length < 2, onclick: acts.compare}, words.web_all);
  view.gallery = h("div", {className: "gallery", role: "group", "aria-label": words.result});
  view.steps = h("input", {type: "range", min: manifest.steps.min, max: manifest.steps.max, step: 1, oninput: event => acts.steps(Number(event.target.value))});
  view.count = h("span", {className: "count"});
  view.paths = buildPaths(words, id, acts);
  view.status = h("p", {className: "status quiet", role: "status"});
  view.about = h("p", {className: "about"});
  view.saves = [["web_save_face", acts.saveFace], ["save_png", acts.saveStrip], ["save_gif", acts.saveGif]].map(([key, onclick]) =>
    h("button", {type: "button", onclick}, words[key]));
  view.root = h("div", {className: "mixer"},
    h("div", {className: "table"}, view.cats.a.section,
      h("div", {className: "middle"}, h("div", {className: "frame"}, view.stage, view.cells, view.veil),
        h("div", {className: "controls"}, view.play, view.slider, view.share)),
      h("div", {className: "choice"}, view.models, view.about, view.all, view.status),
      view.cats.b.section),
    view.gallery,
    h("div", {className: "more"}, h("label", {className: "steps"}, h("span", {}, words.steps), view.steps, view.count), view.paths,
      h("button", {type: "button", className: "surprise", onclick: acts.surprise}, words.surprise), h("div", {className: "row saves"}, ...view.saves)));
  showShare(view, 0.5, false);
  return view;
}

function buildCat(side, manifest, words, id, acts) {
  const title = words[`cat_${side}`], cat = {title};
  cat.face = newCanvas(FACE, {className: "face", role: "img"});
  cat.name = h("span", {className: "name"});
  cat.input = h("input", {type: "file", accept: "image/*", "aria-label": fill(words.web_own_as, {cat: title}), onchange: event => {
    if (event.target.files[0]) acts.photo(side, event.target.files[0]);
    event.target.value = ""; // the same file once more is a wish too
  }});
  cat.radios = manifest.cats.map(name => h("input", {type: "radio", name: `${id}-${side}`, value: name, "aria-label": nameOf(name, words), onchange: () => acts.example(side, name)}));
  cat.examples = h("fieldset", {className: "examples"}, h("legend", {}, fill(words.web_choose, {cat: title})),
    ...cat.radios.map((radio, i) => h("label", {title: nameOf(manifest.cats[i], words)}, radio, h("img", {src: thumbnail(manifest.cats[i]), alt: "", width: 64, height: 64, loading: "lazy"}))));
  const turn = (name, sign, way) => h("button", {type: "button", className: `turn ${name}`, tabIndex: -1, "aria-hidden": "true", onclick: () => cat.examples.scrollBy({left: way * .8 * cat.examples.clientWidth, behavior: "smooth"})}, sign);
  cat.panel = h("div", {});
  cat.change = h("button", {type: "button", className: "change", "aria-label": fill(words.web_change_cat, {cat: title}), "aria-expanded": "false", onclick: () => {
    const open = cat.section.classList.toggle("open");
    cat.change.setAttribute("aria-expanded", open);
  }}, words.web_change);
  cat.section = h("section", {className: `cat ${side}`, "aria-label": title},
    h("div", {className: "head"}, cat.face, h("div", {}, h("b", {}, title), " ", cat.name, cat.change)),
    h("div", {className: "chooser"}, h("label", {className: "own"}, cat.input, h("span", {}, words.web_own)), cat.panel, turn("earlier", "‹", -1), cat.examples, turn("later", "›", 1), h("p", {className: "small"}, words.web_private)));
  for (const kind of ["dragover", "drop"]) {
    cat.section.addEventListener(kind, event => {
      event.preventDefault();
      if (kind === "drop" && event.dataTransfer.files[0]) acts.photo(side, event.dataTransfer.files[0]);
    });
  }
  return cat;
}

function buildModels(manifest, words, language, id, acts) {
  return h("fieldset", {className: "models"}, h("legend", {}, words.model),
    ...Object.entries(manifest.variants).map(([name, {beta}]) => h("label", {title: words[`model_${name}`] ?? name},
      h("input", {type: "radio", name: `${id}-model`, value: name, onchange: () => acts.model(name)}), h("b", {}, name), h("span", {}, betaOf(beta, language)))));
}

function betaOf(beta, language) {
  return beta === null ? "" : `β ${number(beta, language)}`;
}

function buildPaths(words, id, acts) {
  return h("fieldset", {className: "paths"}, h("legend", {}, words.path), ...["lerp", "slerp"].map(path =>
    h("label", {}, h("input", {type: "radio", name: `${id}-path`, value: path, onchange: () => acts.path(path)}), h("span", {}, words[`path_${path}`]))));
}

// In a row that scrolls, moved no more than it must be; elsewhere there is nothing to move.
function showInRow(row, label) {
  const left = label?.offsetLeft, right = left + label?.offsetWidth;
  if (left < row.scrollLeft || right > row.scrollLeft + row.clientWidth) row.scrollLeft = (left + right - row.clientWidth) / 2;
}

// Radios, sliders and names as a state says; the pictures follow when they are painted.
export function showChoices(view, state) {
  const {words} = view;
  for (const side of SIDES) {
    const {radios, examples, name} = view.cats[side], cat = state[side];
    for (const radio of radios) radio.checked = radio.value === cat?.name;
    name.textContent = [cat?.title(words), cat?.painted && words.cats_painted].filter(Boolean).join(" · ");
    showInRow(examples, radios.find(radio => radio.checked)?.parentElement);
  }
  for (const radio of view.models.querySelectorAll("input")) radio.checked = radio.value === state.model;
  view.about.textContent = (words[`model_${state.model}`] ?? "").split(" · ").slice(2).join(" · ");
  for (const radio of view.paths.querySelectorAll("input")) radio.checked = radio.value === state.path;
  view.steps.value = state.steps;
  view.count.textContent = state.steps;
  view.steps.setAttribute("aria-valuetext", state.steps);
  view.all.setAttribute("aria-pressed", state.comparing);
}

export function showShare(view, share, playing) {
  const text = percentOf(share, view.words);
  view.slider.value = Math.round(100 * share);
  view.slider.setAttribute("aria-valuetext", text);
  view.share.textContent = text;
  view.play.textContent = playing ? "❚❚" : "▶";
  view.play.setAttribute("aria-label", playing ? view.words.pause : view.words.play);
}

export async function showCat(view, side, cat, onCut, onOutside) {
  const parts = view.cats[side];
  paint(parts.face, await cat.openFace());
  parts.face.setAttribute("aria-label", `${parts.title}: ${cat.title(view.words)}`);
  if (!cat.own) parts.panel.replaceChildren();
  else if (parts.photo !== cat.photo || !parts.panel.firstChild) parts.panel.replaceChildren(photoPanel(cat, parts.title, view.words, onCut, onOutside));
  parts.photo = cat.photo;
}

// One cell for each model on the slider, and one for the plain cross-fade.
export function showCells(view, manifest, comparing) {
  view.stage.hidden = comparing;
  view.cells.hidden = !comparing;
  if (!comparing || view.cells.firstChild) return;
  const cell = (key, title, about) => h("figure", {}, newCanvas(CELL, {"data-model": key, role: "img", "aria-label": `${title} ${about}`}), h("figcaption", {}, h("b", {}, title), " ", about));
  view.cells.append(
    ...Object.entries(manifest.variants).map(([name, {beta}]) => cell(name, name, betaOf(beta, view.language))),
    cell("", view.words.web_crossfade, ""));
}

// In how many columns the last row is about as full as the others: no picture stands alone.
const columns = (count, most) => Math.ceil(count / Math.ceil(count / most));

export function showGallery(view, pictures, onFrame) {
  const buttons = pictures.map((picture, i) => {
    const share = i / (pictures.length - 1), canvas = newCanvas(FRAME), text = percentOf(share, view.words);
    paint(canvas, picture);
    return h("button", {type: "button", "aria-label": text, onclick: () => onFrame(share)}, canvas, h("span", {"aria-hidden": "true"}, text));
  });
  view.gallery.classList.toggle("two-rows", pictures.length > 12);
  view.gallery.style.setProperty("--wide", columns(pictures.length, 12));
  view.gallery.style.setProperty("--narrow", columns(pictures.length, 6));
  view.gallery.replaceChildren(...buttons);
}

// Over the stage while what the controls say is not there yet.
export function showWaiting(view, text, share = null) {
  view.root.classList.toggle("waiting", text !== null);
  view.root.setAttribute("aria-busy", text !== null);
  view.wait.textContent = text ?? "";
  if (share === null) view.progress.removeAttribute("value");
  else view.progress.value = share;
}

// In place of a mixer that cannot run: a picture and a sentence. The picture is what the page has put between the tags,
// else our own file, and lines where neither can be had.
export function failure(words, error, onAgain) {
  const slot = h("slot", {}, h("img", {src: new URL("preview.jpg", base).href, alt: words.web_preview, className: "preview"}));
  const draw = () => slot.replaceWith(drawnCat());
  slot.addEventListener("slotchange", () => watch(slot.assignedElements()));
  watch([...slot.children]);
  function watch(elements) {
    for (const image of elements.flatMap(element => [element, ...element.querySelectorAll("img")])) {
      if (image.tagName !== "IMG") continue;
      if (image.complete && !image.naturalWidth && image.src) draw();
      else image.addEventListener("error", () => slot.assignedElements({flatten: true}).some(element => element.contains(image)) && draw());
    }
  }
  return h("div", {className: "failed", role: "alert", title: error.message}, slot,
    h("p", {}, words[`web_${error.kind}`]), h("button", {type: "button", onclick: onAgain}, words.web_again));
}
