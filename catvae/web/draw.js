// How a face is drawn: every picture of 64×64 pixels comes to the screen, and into files, through here.

import {MixerError} from "./dom.js";

export const SIDE = 64;

/** @typedef {HTMLCanvasElement | ImageBitmap} Picture */

/** A square, unless its properties have another height. @param {number} side @param {Record<string, any>} [properties] @returns {HTMLCanvasElement} */
export function newCanvas(side, properties = {}) {
  const canvas = Object.assign(document.createElement("canvas"), {width: side, height: side});
  for (const [key, value] of Object.entries(properties)) {
    if (key in canvas && key !== "role") /** @type {any} */ (canvas)[key] = value;
    else canvas.setAttribute(key, value);
  }
  return canvas;
}

export const FRAME = 128; // pixels a side of small pictures

/** The context of a canvas. @param {HTMLCanvasElement} canvas @param {CanvasRenderingContext2DSettings} [options] */
export function penOf(canvas, options) {
  const pen = /** @type {CanvasRenderingContext2D} */ (canvas.getContext("2d", options));
  pen.imageSmoothingQuality = "high";
  return pen;
}

/** A frame onto a canvas, enlarged smoothly. @param {HTMLCanvasElement} canvas @param {Picture} picture */
export function paint(canvas, picture) {
  const pen = penOf(canvas);
  pen.globalCompositeOperation = "copy"; // at its edges nothing shines through of what was there
  pen.drawImage(picture, 0, 0, canvas.width, canvas.height);
}

/** Pixels as a picture. @param {ImageData} pixels @returns {HTMLCanvasElement} */
export function fromPixels(pixels) {
  const canvas = newCanvas(pixels.width, {height: pixels.height});
  penOf(canvas).putImageData(pixels, 0, 0);
  return canvas;
}

/** Three planes of numbers in [0, 1], from a place on, as square pixels. @param {ArrayLike<number>} values @param {number} side */
export function fromPlanes(values, side = SIDE, start = 0) {
  const pixels = new ImageData(side, side), area = side * side;
  for (let i = 0; i < area; i++) {
    for (let c = 0; c < 3; c++) pixels.data[4 * i + c] = 255 * values[start + c * area + i]; // clamped and rounded by the array
    pixels.data[4 * i + 3] = 255;
  }
  return pixels;
}

/** Pixels as three planes of numbers in [0, 1]. @param {ImageData} pixels */
export function toPlanes({data, width, height}) {
  const area = width * height, planes = new Float32Array(3 * area);
  for (let i = 0; i < area; i++) for (let c = 0; c < 3; c++) planes[c * area + i] = data[4 * i + c] / 255;
  return planes;
}

/** A file as a picture. @param {Blob} blob */
export async function fromBlob(blob) {
  const bitmap = await createImageBitmap(blob), canvas = newCanvas(bitmap.width, {height: bitmap.height});
  penOf(canvas).drawImage(bitmap, 0, 0);
  return canvas;
}

/** A small picture, which stays as it is. @param {Picture} picture */
export function fromPicture(picture) {
  const canvas = newCanvas(FRAME);
  paint(canvas, picture);
  return canvas;
}

/** A picture as the bytes of a file, PNG by default. @param {any} picture @param {string} [type] @param {number} [quality]
 * @returns {Promise<Blob>} */
export const toBlob = (picture, type, quality) => new Promise((resolve, reject) => {
  checkReads();
  picture.toBlob((/** @type {Blob | null} */ blob) => (blob ? resolve(blob) : reject(new MixerError("memory", "no memory for the picture"))), type, quality);
});

/** One square of a row of pictures. @param {Picture} strip @param {number} index @param {number} [side] */
export function pieceOf(strip, index, side = SIDE) {
  const canvas = newCanvas(side);
  penOf(canvas).drawImage(strip, index * side, 0, side, side, 0, 0, side, side);
  return canvas;
}

/** A share of one picture over another: what a mix is not, and what lies between two frames that are near.
 * @param {Picture} a @param {Picture} b @param {number} share */
export function fade(a, b, share) {
  const canvas = newCanvas(SIDE), pen = penOf(canvas);
  pen.drawImage(a, 0, 0);
  pen.globalAlpha = share;
  pen.drawImage(b, 0, 0);
  return canvas;
}

/** Whether canvases are read as they were drawn: browsers that protect from fingerprints give noise, and a mixer that
 * reads photos would mix it. */
export function readsTrue() {
  const canvas = newCanvas(16), pen = penOf(canvas, {willReadFrequently: true}), drawn = pen.createImageData(16, 16);
  for (let i = 0; i < drawn.data.length; i++) drawn.data[i] = i % 4 === 3 ? 255 : (37 * i) % 256;
  pen.putImageData(drawn, 0, 0);
  const {data} = pen.getImageData(0, 0, 16, 16);
  return data.every((value, i) => value === drawn.data[i]);
}

/** Raises an error of kind "noise" where they are not. */
export function checkReads() {
  if (!readsTrue()) throw new MixerError("noise", "canvases are not read as they are drawn");
}
