// Both eyes and the nose of a cat face, as catvae/photos/landmarks.py finds them.

import {run} from "./models.js";

export const VIEW = 1.5, VIEW_SIDE = 96; // what the network sees of a square, and at how many pixels
export const NETWORK = "fullsize/landmarks";
const STANDARD = [[0.29, 0.41], [0.72, 0.41], [0.5, 0.72]], WEIGHTS = [0.4, 0.4, 0.2]; // of the training faces

/** Of one view, 3·96·96 numbers: three places in shares of the square.
 * @param {Float32Array} view @returns {Promise<number[][]>} */
export async function findLandmarks(view) {
  const side = VIEW_SIDE, both = new Float32Array(2 * view.length);
  both.set(view);
  for (let i = 0; i < view.length; i++) both[view.length + i] = view[i - (i % side) + side - 1 - (i % side)]; // mirrored
  const {values} = await run(NETWORK, {views: [both, [2, 3, side, side]]});
  const found = [0, 1, 2].map(k => {
    const twin = 6 + 2 * [1, 0, 2][k];
    return [(values[2 * k] + 1 - values[twin]) / 2, (values[2 * k + 1] + values[twin + 1]) / 2];
  });
  const [left, right, nose] = found, below = nose[1] - (left[1] + right[1]) / 2;
  const near = found.every(([x, y], k) => Math.hypot(x - STANDARD[k][0], y - STANDARD[k][1]) < 0.35);
  return near && right[0] - left[0] > 0.15 && below > 0.02 ? found : STANDARD; // else it is no cat's face
}

/** How a square must change for its landmarks to lie about where those of the training faces do: x and y in sides,
 * logarithm of the side, radians. @param {number[][]} landmarks @returns {[number, number, number, number]} */
export function fitSquare(landmarks) {
  const mean = (/** @type {number[][]} */ points) => [0, 1].map(axis => points.reduce((sum, point, k) => sum + WEIGHTS[k] * point[axis], 0));
  const spread = (/** @type {number[][]} */ points, /** @type {number[]} */ [x, y]) =>
    points.reduce((sum, point, k) => sum + WEIGHTS[k] * ((point[0] - x) ** 2 + (point[1] - y) ** 2), 0);
  const here = mean(landmarks), there = mean(STANDARD);
  const scale = Math.sqrt(spread(landmarks, here) / spread(STANDARD, there));
  const [[ax, ay], [bx, by]] = landmarks, turn = Math.atan2(by - ay, bx - ax);
  const cos = Math.cos(turn) * scale, sin = Math.sin(turn) * scale, x = 0.5 - there[0], y = 0.5 - there[1];
  return [here[0] + cos * x - sin * y - 0.5, here[1] + sin * x + cos * y - 0.5, Math.log(scale), turn];
}
