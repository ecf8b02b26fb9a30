// Pictures between two cats at full size, drawn from their photos as catvae/fullsize/composition.py says it: WebGL2, else
// a canvas in two dimensions. Nothing is asked of a server while `draw` runs.
//
//   const warp = createWarp(canvas);          // warp.kind is "webgl2" or "2d"
//   warp.set({photos: [a, b], velocity, landmarks, strip, count});
//   warp.draw(0.5);                           // or warp.draw(0.5, 128), smaller, or warp.draw(0.5, 512, 1) with B's fur
//   warp.drawRow([0, 0.5, 1], 128);           // side by side
//
// photos: ImageData, square and equally large, the frame and 1/8 of its side of margin around; the canvas gets the
// size of what is drawn. velocity: 2·32·32 numbers (x, then y), of A's places towards B's, in sides. landmarks: 2·3·2 numbers,
// left eye, right eye and nose of A and of B, as (x, y) in shares of the frame. strip: ImageData, `count` pictures of
// 64×64 side by side, the model's from A to B.

import {GRID, LOW, VIEW, blur, each, look, planes, shrink, spot, toPlanes, within} from "./planes.js";
import {onCanvas, onGpu} from "./warp-canvas.js";

const SQUARINGS = 5;
const COARSE = 1 / 16, FINE = 1 / 128, SWITCH = 0.16, DOMINANT = 0.12, RADII = [0.12, 0.12, 0.1], IRIS = 0.07, MUZZLE = 0.12;
const KEPT = 64; // shares whose way is remembered

export function createWarp(canvas, {kind = "webgl2"} = {}) {
  const gl = kind === "webgl2" && canvas.getContext("webgl2", {preserveDrawingBuffer: true});
  const painter = gl ? onGpu(gl) : onCanvas(canvas.getContext("2d"));
  let scene = null;
  return {
    kind: gl ? "webgl2" : "2d",
    set(parts) {
      const before = scene;
      scene = prepare(parts);
      if (before?.cats !== scene.cats) painter.set(scene);
    },
    draw(share, most = scene?.size, fur = share) {
      this.drawRow([share], most, [fur]);
    },
    drawRow(shares, most = scene?.size, furs = shares) {
      if (!scene) return;
      const size = Math.min(most, scene.size), width = size * shares.length;
      if (canvas.width !== width || canvas.height !== size) Object.assign(canvas, {width, height: size});
      shares.forEach((share, i) => painter.draw(frame(scene, clamp(share), clamp(furs[i])), size, i * size));
    },
  };
}

const clamp = share => Math.min(1, Math.max(0, share));

// Displacements after a time along velocities, by scaling and squaring.
export function flow(velocity, time) {
  let moved = planes(GRID, 2);
  const there = spot();
  for (let i = 0; i < moved.values.length; i++) moved.values[i] = (velocity[i] * time) / 2 ** SQUARINGS;
  for (let turn = 0; turn < SQUARINGS; turn++) {
    const next = planes(GRID, 2), cells = GRID * GRID;
    each(GRID, (i, x, y) => {
      const u = moved.values[i], v = moved.values[cells + i];
      look(moved, x + u, y + v, there);
      next.values[i] = u + there[0];
      next.values[cells + i] = v + there[1];
    });
    moved = next;
  }
  return moved;
}

/** What is told of two cats whatever the model, by their photos. @type {WeakMap<object, any>} */
const known = new WeakMap();

/** @param {any} parts of `set` */
function prepare({strip, count, ...cats}) {
  if (!known.has(cats.photos)) known.set(cats.photos, prepareCats(cats));
  const prepared = known.get(cats.photos), models = new Array(count), last = count - 1;
  const at = number => (models[number] ??= blur(toPlanes(strip, LOW, number * LOW), COARSE * LOW));
  // the model's picture at a share, between the two of its strip that are near
  const modelAt = t => {
    const place = t * last, number = Math.floor(place), part = place - number, before = at(number).values;
    if (!part) return before;
    const after = at(number + 1).values;
    return before.map((value, i) => value + (after[i] - value) * part);
  };
  return {...prepared, cats: prepared, modelAt};
}

function prepareCats({photos, velocity, landmarks}) {
  const wide = photos[0].width, size = Math.round(wide / VIEW);
  const full = photos.map(photo => toPlanes(photo, wide));
  const base = full.map(photo => blur(shrink(photo, wide >> 1), (FINE * size) / 2));
  const coarse = base.map(photo => blur(shrink(photo, Math.round(LOW * VIEW)), COARSE * LOW));
  const scene = {photos, full, base, coarse, velocity, landmarks, size};
  return {...scene, likeness: likeness(scene), when: dominance(scene), ways: new Map()};
}

// How alike the fine bands of the two are where they meet half way, as a plane of 32×32.
function likeness({full, base, velocity}) {
  const side = 4 * GRID, there = [flow(velocity, -0.5), flow(velocity, 0.5)], product = planes(side, 3), cells = side * side;
  const moved = spot(), sharp = spot(), soft = spot(), fine = [0, 0];
  each(side, (i, x, y) => {
    for (let k = 0; k < 2; k++) {
      look(there[k], x, y, moved);
      const u = within(x + moved[0]), v = within(y + moved[1]);
      look(full[k], u, v, sharp);
      look(base[k], u, v, soft);
      fine[k] = (sharp[0] - soft[0] + sharp[1] - soft[1] + sharp[2] - soft[2]) / 3;
    }
    const [a, b] = fine;
    product.values[i] = a * a;
    product.values[cells + i] = b * b;
    product.values[2 * cells + i] = a * b;
  });
  const means = shrink(blur(product, 4), GRID).values, alike = planes(GRID, 1), few = GRID * GRID;
  for (let i = 0; i < few; i++) {
    const power = Math.sqrt(means[i] * means[few + i]);
    alike.values[i] = Math.min(1, Math.max(0, means[2 * few + i] / Math.max(power, 1e-7)));
  }
  return alike;
}

// At which share the eyes go over: later than half way where A's stand out more, else sooner.
function dominance({full, landmarks}) {
  const found = spot(), [a, b] = full.map((photo, k) => {
    let total = 0;
    for (let eye = 0; eye < 2; eye++) {
      const sums = [0, 0, 0], squares = [0, 0, 0];
      each(16, (_, x, y) => {
        const [u, v] = [x, y].map((place, axis) => within(landmarks[6 * k + 2 * eye + axis] + (place - 0.5) * 2 * RADII[0]));
        look(photo, u, v, found);
        for (let c = 0; c < 3; c++) {
          sums[c] += found[c];
          squares[c] += found[c] ** 2;
        }
      });
      for (let c = 0; c < 3; c++) total += Math.sqrt(Math.max(0, (squares[c] - sums[c] ** 2 / 256) / 255));
    }
    return total;
  });
  return a >= b ? 0.5 + DOMINANT : 0.5 - DOMINANT;
}

// What is small and changes with the share t and that of the fur: displacements (32×32), what is added (64×64, with s)
// and g (64×64).
function frame({cats, modelAt, size}, t, f) {
  const key = `${t} ${f}`;
  if (!cats.ways.has(key)) {
    if (cats.ways.size >= KEPT) cats.ways.clear();
    cats.ways.set(key, wayAt(cats, t, f));
  }
  const {moved, rest, part, grey, gain} = cats.ways.get(key), added = {...rest, values: rest.values.slice()}, model = modelAt(t);
  const cells = LOW * LOW, {values} = added;
  for (let i = 0; i < cells; i++) {
    for (let from = i; from < 3 * cells; from += cells) values[from] += model[from] * part[i];
    const light = (values[i] + values[cells + i] + values[2 * cells + i]) / 3;
    for (let from = i; from < 3 * cells; from += cells) values[from] += (light - values[from]) * grey[i];
  }
  return {size, full: cats.full, base: cats.base, moved, added, gain};
}

// 1 at a place, falling to 0 at about a radius from it, by the squared distance.
const near = (far, radius) => Math.exp(-((far / radius ** 2) ** 2));

// Of these, what is the same for every model, the part of the model's picture, and how grey their sum is.
function wayAt(scene, t, f) {
  const moved = [flow(scene.velocity, -t), flow(scene.velocity, 1 - t)], cells = LOW * LOW;
  const rise = Math.min(1, Math.max(0, (f - scene.when + SWITCH) / (2 * SWITCH))), over = rise * rise * (3 - 2 * rise);
  const points = RADII.map((radius, k) => ({
    x: scene.landmarks[2 * k] * (1 - t) + scene.landmarks[6 + 2 * k] * t,
    y: scene.landmarks[2 * k + 1] * (1 - t) + scene.landmarks[7 + 2 * k] * t,
    radius,
  }));
  const weight = Math.sin(Math.PI * t) ** 2, rest = planes(LOW, 4), gain = planes(LOW, 1), [part, grey] = [0, 1].map(() => new Float32Array(cells));
  const movedA = spot(), movedB = spot(), a = spot(), b = spot(), alike = spot();
  each(LOW, (i, x, y) => {
    let away = 1, beside = 1;
    for (let k = 0; k < 3; k++) {
      const {x: left, y: top, radius} = points[k], far = (x - left) ** 2 + (y - top) ** 2;
      away *= 1 - near(far, radius);
      if (k < 2) beside *= 1 - near(far, IRIS);
      else grey[i] = near(far, MUZZLE);
    }
    const s = f + (over - f) * (1 - away);
    gain.values[i] = 1 / Math.sqrt((1 - s) ** 2 + s * s + 2 * look(scene.likeness, x, y, alike)[0] * s * (1 - s));
    look(moved[0], x, y, movedA);
    look(moved[1], x, y, movedB);
    look(scene.coarse[0], within(x + movedA[0]), within(y + movedA[1]), a);
    look(scene.coarse[1], within(x + movedB[0]), within(y + movedB[1]), b);
    part[i] = weight * beside;
    for (let c = 0; c < 3; c++) rest.values[c * cells + i] = ((a[c] + (b[c] - a[c]) * t) * (1 - weight) - (a[c] + (b[c] - a[c]) * s)) * beside;
    rest.values[3 * cells + i] = s;
  });
  return {moved, rest, part, grey, gain};
}
