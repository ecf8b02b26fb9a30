// A mix at full size: a model's way with the fur of both photos.

import {shares} from "./dom.js";
import {SIDE, checkReads, newCanvas, penOf, pieceOf} from "./draw.js";
import {createWarp} from "./warp.js";

const COUNT = 17; // pictures of the model along its way
const LARGEST = 512, WIDEST = 2048; // pixels of a picture, and of some side by side

const MARGIN = 1 / 8; // of the side of a face, around it in a photo

/** What an engine knows of two cats: their photos with a margin, how one moves into the other, eyes and noses, and
 * which of them exist at 64×64 only, so that a model has painted them.
 * @typedef {{photos: ImageData[], velocity: ArrayLike<number>, landmarks: number[], painted: boolean[]}} Scene */

/** One for all: browsers keep few contexts of WebGL. @type {{canvas: HTMLCanvasElement, warp: any, shown: any} | null} */
let screen = null;

function openScreen() {
  const canvas = newCanvas(SIDE), opened = {canvas, warp: /** @type {any} */ (null), shown: null};
  try {
    opened.warp = createWarp(canvas);
  } catch (error) {
    console.warn("kitten-mixer:", error);
    opened.canvas = newCanvas(SIDE); // the other one has its kind of context already
    opened.warp = createWarp(opened.canvas, {kind: "2d"});
  }
  canvas.addEventListener("webglcontextlost", () => (screen = null));
  return opened;
}

/** Pictures at shares of B. Some are drawn side by side, for to read a canvas of WebGL is slow, whatever its size.
 * @param {any} parts of `warp.set` @param {number[]} places @param {number} side at most @param {number | null} fur its share of B */
function draw(parts, places, side, fur) {
  screen ??= openScreen();
  const {canvas, warp, shown} = screen, row = Math.max(1, Math.floor(WIDEST / side));
  if (shown !== parts) warp.set(parts);
  screen.shown = parts;
  const pictures = [];
  for (let i = 0; i < places.length; i += row) {
    const some = places.slice(i, i + row);
    warp.drawRow(some, side, some.map(share => fur ?? share));
    const copy = newCanvas(canvas.width, {height: canvas.height});
    penOf(copy).drawImage(canvas, 0, 0);
    pictures.push(...(some.length > 1 ? some.map((_, k) => pieceOf(copy, k, copy.height)) : [copy]));
  }
  return pictures;
}

/** @param {{at: (shares: number[]) => any}} way of a model @param {Scene} scene
 * @param {{fur: number | null}} told the share of B in the fur; null is that of the picture */
async function fullWay(way, scene, told) {
  checkReads();
  const strip = newCanvas(COUNT * SIDE, {height: SIDE}), pen = penOf(strip, {willReadFrequently: true});
  (await way.at(shares(COUNT))).forEach((/** @type {CanvasImageSource} */ picture, /** @type {number} */ i) => pen.drawImage(picture, i * SIDE, 0));
  const parts = {...scene, strip: pen.getImageData(0, 0, strip.width, SIDE), count: COUNT};
  return {at: (/** @type {number[]} */ places, side = LARGEST) => draw(parts, places, side, told.fur)};
}

/** The faces of a scene in their frames. @param {Scene} scene */
const facesOf = ({photos}) => photos.map(photo => {
  const side = Math.round(photo.width / (1 + 2 * MARGIN)), edge = (photo.width - side) / 2, canvas = newCanvas(side);
  penOf(canvas).putImageData(photo, -edge, -edge);
  return canvas;
});

/** Whether both cats are known at full size, or on their way. @param {import("./state.js").Store} store
 * @param {import("./state.js").State} state */
export const isSceneOf = ({scene}, {a, b}) => scene?.a === a && scene?.b === b;

/** Both cats at full size, asked for once. @param {import("./state.js").Store} store @param {import("./state.js").State} state */
export function sceneOf(store, state) {
  if (store.scene && isSceneOf(store, state)) return store.scene;
  const {a, b} = state, scene = {a, b, parts: null, coming: Promise.resolve()};
  scene.coming = store.engine.scene(a, b, store.most).then((/** @type {any} */ parts) => (scene.parts = {...parts, faces: facesOf(parts)}));
  scene.coming.catch(() => {
    if (store.scene === scene) store.scene = null; // the next one asks again
  });
  return (store.scene = scene);
}

/** What a model's way is with the fur of the photos, made once. @param {import("./state.js").Store} store
 * @param {import("./state.js").Way} way @param {any} parts */
export async function fullOf(store, way, parts) {
  if (store.full?.way !== way || store.full.parts !== parts) store.full = {way, parts, morph: await fullWay(way, parts, store)};
  return store.full.morph;
}

/** A cat's face as it is shown. @param {import("./state.js").Store} store @param {import("./state.js").Side} side
 * @param {import("./state.js").State} state @returns {import("./draw.js").Picture} */
export function faceOf({scene, choice}, side, state = choice) {
  const cat = state[side];
  return state.full && scene?.parts && scene[side] === cat ? scene.parts.faces[side === "a" ? 0 : 1] : cat.face;
}
