// Sending and saving what a mixer shows. Animations come from its engine, all else is made here.

import {addressOf} from "./asked.js";
import {drawCard} from "./card.js";
import {fileName} from "./cats.js";
import {asMixerError, fill, sentenceOf, shares} from "./dom.js";
import {newCanvas, penOf, toBlob} from "./draw.js";
import {faceOf} from "./full.js";

/** @typedef {import("./state.js").Store} Store */

const MIME = /** @type {Record<string, string>} */ ({gif: "image/gif", webp: "image/webp", mp4: "video/mp4", png: "image/png", jpg: "image/jpeg"});
const STRIP = 256, ENDINGS = /** @type {Record<string, string>} */ ({card: "jpg", png: "png", face: "png", frame: "png"});
const TRIES = 3; // of a film that a busy app does not make at once
export const PNG_SIDES = [64, 256, 512, 1024]; // of one face, in pixels

/** @type {WeakMap<object, Map<string, Blob>>} films of a way, by kind */
const made = new WeakMap();

/** @param {CanvasImageSource[]} pictures @param {number} side */
function enlarge(pictures, side) {
  const canvas = newCanvas(side * pictures.length, {height: side}), pen = penOf(canvas);
  pictures.forEach((picture, i) => pen.drawImage(picture, i * side, 0, side, side));
  return canvas;
}

/** @param {HTMLCanvasElement} canvas @param {string} name @param {string} ending */
const inFile = async (canvas, name, ending) => new File([await toBlob(canvas, MIME[ending], 0.92)], `${name}.${ending}`, {type: MIME[ending]});

/** @param {Store} store @param {string} kind */
async function film(store, kind) {
  const way = /** @type {object} */ (store.morph), state = /** @type {any} */ (store.state), name = `${fileName(state)}.${kind}`, {fur} = store, key = `${kind} ${fur}`;
  const films = made.get(way) ?? new Map();
  made.set(way, films);
  for (let tries = 1; !films.has(key); tries++) {
    try {
      const blob = await store.engine.film(kind, {...state, fur}, (/** @type {number} */ share) => store.note(fill(store.words.web_saving, {percent: Math.round(100 * share)})), way);
      films.set(key, blob);
    } catch (error) {
      if (asMixerError(error).kind !== "busy" || tries === TRIES) throw error;
      await new Promise(resolve => setTimeout(resolve, 1000 * 2 ** (tries - 1)));
    }
  }
  return new File([films.get(key)], name, {type: MIME[kind]}); // its cats may have other names by now
}

/** @param {Store} store @param {string} kind "card", "face", "frame", "png", "gif", "webp" or "mp4" @param {number} [index] of a frame
 * @returns {Promise<File>} */
async function makeFile(store, kind, index = 0) {
  const state = /** @type {any} */ (store.state), morph = /** @type {import("./state.js").Way} */ (store.morph), percent = Math.round(100 * store.share);
  if (kind === "frame") {
    const place = index / (store.frames.length - 1);
    return inFile(enlarge(await morph.at([place]), store.pngSide), fileName(state, String(Math.round(100 * place))), "png");
  }
  if (kind === "png") return inFile(enlarge(await morph.at(shares(store.frames.length), STRIP), STRIP), fileName(state, "strip"), "png");
  if (kind !== "face" && kind !== "card") return film(store, kind);
  const [picture] = await morph.at([store.share]);
  if (kind === "face") return inFile(enlarge([picture], store.pngSide), fileName(state, String(percent)), "png");
  return inFile(drawCard(state, [faceOf(store, "a", state), faceOf(store, "b", state)], picture, percent, store.words, store.titleOf(state.model), addressOf(store).href.replace(/^https?:\/\//, "")), fileName(state, `${percent}-card`), "jpg");
}

/** @param {Store} store @param {File} file @param {string} [how] */
function download(store, file, how = "send_saved") {
  const link = document.createElement("a");
  link.href = URL.createObjectURL(file);
  link.download = file.name;
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), 60_000);
  store.note(fill(store.words[how], {name: file.name}));
}

const canSend = (/** @type {string} */ ending) =>
  navigator.canShare?.({files: [new File(["?"], `cat.${ending}`, {type: MIME[ending]})]});

/** @param {Store} store */
async function send(store) {
  const {films} = store.manifest, video = films.includes("mp4") ? "mp4" : "gif", {words} = store;
  const kind = canSend(video) || !canSend("jpg") ? video : "card", file = await makeFile(store, kind);
  if (!canSend(ENDINGS[kind] ?? kind)) return download(store, file, "send_attach");
  try {
    const {href, whole} = addressOf(store), title = words.card_title;
    await navigator.share({files: [file], title, text: `${title}: ${href}`});
    store.note(whole ? "" : words.send_own);
  } catch (error) {
    const {name} = /** @type {any} */ (error);
    if (name === "NotAllowedError") store.note(words.send_ready); // the click was too long ago; the file is kept
    else if (name !== "AbortError") download(store, file, "send_attach");
  }
}

/** What a button sends or saves; one thing at a time. @param {Store} store @param {string} kind @param {number} [index] */
export async function save(store, kind, index) {
  if (store.making || !store.morph) return;
  store.making = kind;
  store.note("");
  try {
    if (kind === "send") await send(store);
    else download(store, await makeFile(store, kind, index));
    if (kind === "card" && !addressOf(store).whole) store.note(store.words.send_own);
  } catch (error) {
    const known = asMixerError(error);
    console.warn("kitten-mixer:", known);
    store.note(known.kind === "busy" ? store.words.send_failed : sentenceOf(known, store.words));
  } finally {
    store.making = null;
    store.tell("making");
  }
}
