// The optimal linear VAE at any β, in closed form: principal components of the training faces, of which a component of
// variance λ is used where λ > β / 4 (catvae/training/linear.py). Faces and axes lie here as cosine transforms over
// channels, rows and columns, which is what the file holds (catvae/training/components.py).

import {once} from "./dom.js";
import {SIDE, fromPlanes, penOf, toPlanes} from "./draw.js";
import {readTensors, unpack} from "./engine/files.js";
import {between} from "./engine/models.js";

const SHAPE = [3, SIDE, SIDE], LENGTH = 3 * SIDE * SIDE, HALF = LENGTH / 2;

/** A matrix of cosines, a frequency per row. @param {number} count */
function cosines(count) {
  const matrix = new Float32Array(count * count);
  for (let f = 0; f < count; f++) {
    for (let i = 0; i < count; i++) matrix[f * count + i] = Math.cos((Math.PI / count) * f * (i + 0.5)) * Math.sqrt((f ? 2 : 1) / count);
  }
  return matrix;
}

const MATRICES = new Map([3, SIDE].map(count => [count, cosines(count)]));

/** The cosine transform of a picture of three planes, or its inverse. @param {Float32Array} values @param {boolean} [back] */
function transform(values, back = false) {
  let stride = LENGTH;
  for (const count of SHAPE) {
    const matrix = /** @type {Float32Array} */ (MATRICES.get(count)), result = new Float32Array(LENGTH);
    stride /= count;
    for (let start = 0; start < LENGTH; start += stride * count) {
      for (let offset = start; offset < start + stride; offset++) {
        for (let to = 0; to < count; to++) {
          let sum = 0;
          for (let from = 0; from < count; from++) sum += values[offset + from * stride] * matrix[back ? from * count + to : to * count + from];
          result[offset + to * stride] = sum;
        }
      }
    }
    values = result;
  }
  return values;
}

const FILE = "components.safetensors.gz";

export const openLinear = once(readLinear); // one for all that show it

/** @param {any} engine that has the file */
async function readLinear(engine) {
  const tensors = readTensors(await unpack(await engine.components(FILE), FILE), FILE);
  const [variances, odd, axes, high, middle] = ["variances", "odd", "low", "high", "mean"].map(name => tensors.get(name).values);
  const count = variances.length, long = high.length / HALF; // the first axes exceed a byte
  high.forEach((/** @type {number} */ value, /** @type {number} */ i) => (axes[Math.floor(i / long) * count + (i % long)] += value));
  const mean = new Float32Array(LENGTH);
  for (let i = 0; i < HALF; i++) mean[2 * i] = middle[i];
  const squares = new Float32Array(count);
  for (let i = 0, at = 0; i < HALF; i++) for (let k = 0; k < count; k++, at++) squares[k] += axes[at] ** 2;
  const norms = squares.map(Math.sqrt);
  for (let i = 0, at = 0; i < HALF; i++) for (let k = 0; k < count; k++, at++) axes[at] /= norms[k];

  const used = (/** @type {number} */ beta) => variances.findLastIndex((/** @type {number} */ variance) => variance > beta / 4) + 1;
  /** How long a face is along each axis. @type {WeakMap<CanvasImageSource, Float32Array>} */
  const seen = new WeakMap();

  /** @param {HTMLCanvasElement} face of 64×64 pixels */
  function look(face) {
    const known = seen.get(face);
    if (known) return known;
    const planes = toPlanes(penOf(face).getImageData(0, 0, SIDE, SIDE));
    const values = transform(planes).map((value, i) => value - mean[i]), lengths = new Float32Array(count);
    for (let i = 0, at = 0; i < HALF; i++) for (let k = 0; k < count; k++, at++) lengths[k] += axes[at] * values[2 * i + odd[k]];
    seen.set(face, lengths);
    return lengths;
  }

  return {
    /** Of how many axes it may choose. */
    latents: count,

    /** From which β down all of these are in use, and from which up none. */
    all: 4 * variances.at(-1),
    none: 4 * variances[0],

    /** How many latents are in use. */
    used,

    /** Mean KL over the training faces, in nats. @param {number} beta */
    rate: beta => variances.subarray(0, used(beta)).reduce((/** @type {number} */ sum, /** @type {number} */ variance) => sum + 0.5 * Math.log((4 * variance) / beta), 0),

    /** Means of the latents in use. @param {HTMLCanvasElement} face of 64×64 pixels @param {number} beta */
    encode: (face, beta) => look(face).subarray(0, used(beta)).map((length, k) => (length * Math.sqrt(variances[k] - beta / 4)) / variances[k]),

    /** Latents as a picture. @param {Float32Array} z @param {number} beta */
    decode(z, beta) {
      const values = mean.slice(), lengths = z.map((value, k) => value * Math.sqrt(variances[k] - beta / 4));
      for (let i = 0; i < HALF; i++) for (let k = 0; k < z.length; k++) values[2 * i + odd[k]] += lengths[k] * axes[i * count + k];
      return fromPlanes(transform(values, true));
    },

    /** Two faces mixed. @param {HTMLCanvasElement} a @param {HTMLCanvasElement} b @param {number} share @param {string} path @param {number} beta */
    mix(a, b, share, path, beta) {
      return this.decode(between(this.encode(a, beta), this.encode(b, beta), share, path), beta);
    },
  };
}
