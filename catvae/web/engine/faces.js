// Cat faces in photos, found and cut as catvae/photos/faces.py does; what tells dogs from cats is a part of the aligner,
// as the app's classifier is as large as six models. A square is {x, y, side, angle}: centre and side in pixels, clockwise radians.

import {SIDE} from "../draw.js";
import {NETWORK as LANDMARKS, VIEW as WIDE, VIEW_SIDE, findLandmarks, fitSquare} from "./landmarks.js";
import {run} from "./models.js";
import {crop, cut, fromRgba, halve, reduce, resize, toFloats} from "./pixels.js";

const WORKING_SIDE = 640, STRIDE = 8, FINDER_SIDE = 28, VIEW = 1.25, MARGIN = 16;
const MIN_HEAT = 0.1, MAX_PROPOSALS = 12, PASSES = 3, MIN_FIT = 0.35, MIN_SCORE = 0.35, MAX_FACES = 3;
const MAX_TURN = (4 * Math.PI) / 180; // radians
export const SURE = 0.5; // a score below this is no sure cat
export const NETWORKS = ["photos/finder", "photos/aligner", LANDMARKS];

// Faces {x, y, side, angle, score} in pixels of the photo, best first; none if there is no cat face.
export async function findFaces(photo) {
  const shrink = Math.max(1, Math.max(photo.width, photo.height) / WORKING_SIDE), small = shrunk(photo, shrink);
  const levels = pyramid(toFloats(small));
  const enlarge = ({x, y, side, angle, score}) => ({x: x * shrink, y: y * shrink, side: side * shrink, angle, score});
  if (isSmallCopy(small)) {
    const square = {x: small.width / 2, y: small.height / 2, side: Math.max(small.width, small.height), angle: 0};
    const [[, , , , fits, cat]] = await look(levels, [square]), score = sigmoid(fits) * sigmoid(cat);
    if (score > MIN_SCORE) return [enlarge({...square, score})];
  }
  const found = await refine(levels, await propose(levels));
  for (const square of found) square.fit = Math.sqrt(square.heat * square.fit);
  found.sort((a, b) => b.fit - a.fit);
  const chosen = [];
  for (const square of found) {
    const outside = square.x < 0 || square.x > small.width || square.y < 0 || square.y > small.height;
    if (square.fit < MIN_FIT || outside || chosen.some(other => overlap(square, other) > 0.4)) continue;
    chosen.push({...square, score: square.fit * square.cat});
  }
  const cats = chosen.slice(0, MAX_FACES).filter(({score}) => score >= MIN_SCORE).sort((a, b) => b.score - a.score);
  return Promise.all(cats.map(async square => enlarge(await setUpright(levels, square))));
}

// The square turned, moved and scaled by eyes and nose where these say that it is far off.
async function setUpright(levels, square) {
  const [dx, dy, scale, spin] = fitSquare(await findLandmarks(viewOf(levels, square, VIEW_SIDE, WIDE))).map(value => Math.max(-0.6, Math.min(0.6, value)));
  return Math.abs(spin) > MAX_TURN ? move(square, dx, dy, scale, spin) : square;
}

// How much a picture, which is a whole face, looks like a cat's, in [0, 1].
export async function catness(face) {
  const square = {x: face.width / 2, y: face.height / 2, side: face.width, angle: 0};
  const [[, , , , fits, cat]] = await look(pyramid(toFloats(fromRgba(face))), [square]);
  return sigmoid(fits) * sigmoid(cat);
}

// The face cut as the training faces are cut: RGBA, size × size, and so much more with a margin, in sides. Null where
// the square's centre is outside the photo.
export function align(photo, {x, y, side, angle}, size = SIDE, margin = 0) {
  if (!(side > 0 && x >= 0 && x <= photo.width && y >= 0 && y <= photo.height)) return null;
  const view = 1 + 2 * margin, reach = 0.75 * side * view + 4, wide = Math.round(size * view);
  const left = Math.max(0, Math.trunc(x - reach)), top = Math.max(0, Math.trunc(y - reach));
  const right = Math.min(photo.width, Math.ceil(x + reach)), bottom = Math.min(photo.height, Math.ceil(y + reach));
  const factor = Math.max(1, Math.floor(side / (2 * size)));
  const region = toFloats(reduce(crop(photo, left, top, right, bottom), factor, factor));
  const square = {x: (x - left) / factor, y: (y - top) / factor, side: side / factor, angle};
  const finer = Math.max(1, Math.round(side / factor / size)), full = wide * finer;
  const fine = cut(region, square, full, view, true), face = new ImageData(wide, wide);
  for (let row = 0; row < wide; row++) {
    for (let column = 0; column < wide; column++) {
      const to = 4 * (row * wide + column);
      for (let c = 0; c < 3; c++) {
        let sum = 0;
        for (let v = 0; v < finer; v++) {
          for (let u = 0; u < finer; u++) sum += fine[(c * full + row * finer + v) * full + column * finer + u];
        }
        face.data[to + c] = (sum / finer ** 2) * 255;
      }
      face.data[to + 3] = 255;
    }
  }
  return face;
}

// The centre square of a photo as if it were a face.
export function wholePicture({width, height}) {
  return {x: width / 2, y: height / 2, side: Math.min(width, height), angle: 0, score: 0};
}

// A square made `zoom` times smaller, moved by shares of its side and turned by degrees, as seen in the cut face.
export function adjust({x, y, side, angle, score}, {zoom, right, down, turn}) {
  const cos = Math.cos(angle), sin = Math.sin(angle);
  return {
    x: x + side * (right * cos - down * sin), y: y + side * (right * sin + down * cos),
    side: side / zoom, angle: angle + (turn * Math.PI) / 180, score,
  };
}

const sigmoid = x => 1 / (1 + Math.exp(-x));

function shrunk(photo, shrink) {
  if (shrink === 1) return photo;
  const width = Math.max(1, Math.round(photo.width / shrink)), height = Math.max(1, Math.round(photo.height / shrink));
  const fx = Math.max(1, Math.floor(photo.width / width / 2)), fy = Math.max(1, Math.floor(photo.height / height / 2));
  return resize(reduce(photo, fx, fy), width, height, "box", [photo.width / fx, photo.height / fy]);
}

// Whether a square picture holds no more than 64×64 pixels do, as an enlarged training face.
function isSmallCopy(photo) {
  if (Math.min(photo.width, photo.height) < SIDE || Math.abs(photo.width - photo.height) > 0.03 * photo.width) return false;
  const large = Math.max(photo.width, photo.height) > 4 * SIDE ? resize(photo, 4 * SIDE, 4 * SIDE, "lanczos") : photo;
  const gone = Math.min(lost(large, SIDE, "lanczos", "lanczos"), lost(large, SIDE, "box", "nearest"));
  return gone < 0.5 * (lost(resize(large, SIDE, SIDE, "lanczos"), SIDE / 2, "lanczos", "lanczos") + 0.5);
}

function lost(photo, side, down, up) {
  const back = resize(resize(photo, side, side, down), photo.width, photo.height, up);
  let sum = 0, squares = 0;
  back.planes.forEach((plane, c) => plane.forEach((value, i) => {
    const difference = value - photo.planes[c][i];
    sum += difference;
    squares += difference ** 2;
  }));
  const count = 3 * photo.width * photo.height;
  return Math.sqrt(squares / count - (sum / count) ** 2);
}

function overlap(a, b) {
  const smaller = Math.min(a.side, b.side);
  const shared = axis => Math.max(0, Math.min(smaller, (a.side + b.side) / 2 - Math.abs(a[axis] - b[axis])));
  return (shared("x") * shared("y")) / smaller ** 2;
}

function pyramid(photo) {
  const levels = [photo];
  for (let last = photo; Math.max(last.width, last.height) > 48 && Math.min(last.width, last.height) > 1; ) {
    levels.push((last = halve(last)));
  }
  return levels;
}

// The edges go on outwards for 16 pixels and to full cells: faces may reach the border.
function padded({planes, width, height}) {
  const wide = width + 2 * MARGIN + (-width & (STRIDE - 1)), high = height + 2 * MARGIN + (-height & (STRIDE - 1));
  const values = new Float32Array(3 * wide * high);
  planes.forEach((plane, c) => {
    for (let y = 0; y < high; y++) {
      const from = Math.max(0, Math.min(height - 1, y - MARGIN)) * width, to = (c * high + y) * wide;
      for (let x = 0; x < wide; x++) values[to + x] = plane[from + Math.max(0, Math.min(width - 1, x - MARGIN))];
    }
  });
  return {values, shape: [1, 3, high, wide]};
}

async function propose(levels) {
  const proposals = [];
  for (const [number, level] of levels.entries()) {
    const {values, shape} = padded(level), {values: told, shape: [, , rows, columns]} = await run(NETWORKS[0], {input: [values, shape]});
    const cells = rows * columns, zoom = 2 ** number;
    const logit = (row, column) => (row < 0 || column < 0 || row >= rows || column >= columns ? -Infinity : told[row * columns + column]);
    for (let i = 0; i < cells; i++) {
      const row = Math.floor(i / columns), column = i % columns, heat = sigmoid(told[i]);
      if (heat <= MIN_HEAT) continue;
      let peak = true;
      for (let v = -1; v <= 1; v++) for (let u = -1; u <= 1; u++) peak &&= told[i] >= logit(row + v, column + u);
      if (!peak) continue;
      const [x, y, scale, sin, cos] = [1, 2, 3, 4, 5].map(channel => told[channel * cells + i]);
      proposals.push({
        x: ((column + 0.5 + x) * STRIDE - MARGIN) * zoom, y: ((row + 0.5 + y) * STRIDE - MARGIN) * zoom,
        side: FINDER_SIDE * zoom * Math.exp(scale), angle: Math.atan2(sin, cos), heat,
      });
    }
  }
  return proposals.sort((a, b) => b.heat - a.heat).slice(0, MAX_PROPOSALS);
}

async function refine(levels, squares) {
  for (let turn = 0; turn <= PASSES && squares.length; turn++) {
    const told = await look(levels, squares);
    squares = squares.map((square, i) => {
      if (turn === PASSES) return {...square, fit: sigmoid(told[i][4]), cat: sigmoid(told[i][5])};
      const [dx, dy, scale, spin] = told[i].slice(0, 4).map(value => Math.max(-0.6, Math.min(0.6, value)));
      return move(square, dx, dy, scale, spin);
    });
  }
  return squares;
}

function move(square, dx, dy, scale, spin) {
  const moved = adjust(square, {zoom: Math.exp(-scale), right: dx, down: dy, turn: 0});
  return {...square, ...moved, angle: square.angle + spin};
}

// `view` times as much as a square, from the level that shows it at about `size` pixels.
function viewOf(levels, {x, y, side, angle}, size, view) {
  const number = Math.max(0, Math.min(levels.length - 1, Math.round(Math.log2((Math.max(1, side) * view) / size)))), zoom = 2 ** number;
  return cut(levels[number], {x: x / zoom, y: y / zoom, side: side / zoom, angle}, size, view);
}

// What the aligner says of each square: what is missing in x, y, log side and angle, and the logits that it fits and that
// it is a cat.
async function look(levels, squares) {
  const values = new Float32Array(squares.length * 3 * SIDE * SIDE);
  squares.forEach((square, i) => values.set(viewOf(levels, square, SIDE, VIEW), i * 3 * SIDE * SIDE));
  const {values: told} = await run(NETWORKS[1], {input: [values, [squares.length, 3, SIDE, SIDE]]});
  return squares.map((_, i) => [...told.slice(6 * i, 6 * i + 6)]);
}
