// Both cats of a mix at full size, as catvae/fullsize/parents.py and catvae/page/mixes.py have them.

import {SIDE, fromPlanes, toPlanes} from "../draw.js";
import {adjust, align} from "./faces.js";
import {NETWORK, VIEW, fitSquare, findLandmarks} from "./landmarks.js";
import {run} from "./models.js";
import {cut, fromRgba, toFloats} from "./pixels.js";

const MARGIN = 1 / 8, SMALL = 72, SMALLEST = 128, STEP = 8, GRID = 32;
export const NETWORKS = [NETWORK, "fullsize/movement"];

/** A photo and the square of the face in it; `face` is what models see of it, `painted` what they make of a cat that
 * exists at 64×64 only. @typedef {{photo: any, square: any, face: ImageData, painted?: ImageData}} Parent */

/** @param {any} photo @param {any} square @returns {ImageData | null} */
const viewOf = (photo, square) => align(photo, square, SIDE, (VIEW - 1) / 2);

/** The mean of two looks, the second with the square set by the first. @param {Parent} parent */
async function landmarksOf({photo, square}) {
  const first = await findLandmarks(toPlanes(/** @type {ImageData} */ (viewOf(photo, square))));
  const [x, y, growth, turn] = fitSquare(first), zoom = Math.exp(-growth);
  const moved = adjust(square, {zoom: 1, right: x, down: y, turn: 0});
  const view = viewOf(photo, adjust(moved, {zoom, right: 0, down: 0, turn: (turn * 180) / Math.PI}));
  if (!view) return first; // its centre lies outside the photo
  const cos = Math.cos(turn) / zoom, sin = Math.sin(turn) / zoom;
  return (await findLandmarks(toPlanes(view))).map(([u, v], k) => [
    (first[k][0] + (u - 0.5) * cos - (v - 0.5) * sin + x + 0.5) / 2, (first[k][1] + (u - 0.5) * sin + (v - 0.5) * cos + y + 0.5) / 2,
  ]);
}

const isSmall = (/** @type {Parent} */ {square}) => square.side <= SMALL;

/** @param {Parent} parent @param {number} size @returns {ImageData} */
function photoOf(parent, size) {
  if (!isSmall(parent)) return /** @type {ImageData} */ (align(parent.photo, parent.square, size, MARGIN));
  const wide = Math.round(size * (1 + 2 * MARGIN)), picture = toFloats(fromRgba(parent.painted ?? parent.face));
  const values = cut(picture, {x: SIDE / 2, y: SIDE / 2, side: SIDE, angle: 0}, wide, 1 + 2 * MARGIN, true);
  return fromPlanes(values, wide);
}

/** @param {Parent[]} parents of A and of B @param {number} most pixels a side @returns {Promise<import("../full.js").Scene>} */
export async function makeScene(parents, most) {
  const natural = Math.ceil(Math.max(...parents.map(({square}) => square.side)) / STEP) * STEP;
  const size = Math.min(most, Math.max(SMALLEST, natural)), area = 3 * SIDE * SIDE;
  const faces = new Float32Array(2 * area), landmarks = [];
  for (const [i, parent] of parents.entries()) {
    faces.set(toPlanes(parent.face), i * area);
    landmarks.push(...await landmarksOf(parent));
  }
  const places = Float32Array.from(landmarks.flat());
  const {values: velocity} = await run(NETWORKS[1], {faces: [faces, [1, 2, 3, SIDE, SIDE]], landmarks: [places, [1, 2, 3, 2]]});
  if (velocity.length !== 2 * GRID * GRID) throw new Error("another network of movement");
  return {photos: parents.map(parent => photoOf(parent, size)), velocity, landmarks: [...places], painted: parents.map(isSmall)};
}
