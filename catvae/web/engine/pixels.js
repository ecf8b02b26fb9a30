// Pictures as bytes (three planes, like Pillow's) and as floats, resampled as Pillow and torch do.

import {checkReads, newCanvas, penOf} from "../draw.js";

const MAX_MEGABYTES = 15, MAX_MEGAPIXELS = 40, MAX_ASPECT = 20, WORKING_SIDE = 2048;
const GREY = "rgb(128, 128, 128)";

export class PhotoError extends Error {
  constructor(reason) { // "unreadable", "too_heavy", "too_large" or "too_narrow"
    super(reason);
    this.reason = reason;
  }
}

// A file of the visitor's: upright, sRGB, on grey where it is transparent, its longer side about 2,048 pixels at most.
export async function openPhoto(file) {
  if (file.size > MAX_MEGABYTES * 1e6) throw new PhotoError("too_heavy");
  checkReads();
  const bitmap = await createImageBitmap(file, {imageOrientation: "from-image"}).catch(() => {
    throw new PhotoError("unreadable");
  });
  const {width, height} = bitmap;
  if (width * height > MAX_MEGAPIXELS * 1e6) throw new PhotoError("too_large");
  if (Math.max(width, height) > MAX_ASPECT * Math.min(width, height)) throw new PhotoError("too_narrow");
  const factor = Math.max(1, Math.floor(Math.max(width, height) / WORKING_SIDE));
  const result = image(Math.ceil(width / factor), Math.ceil(height / factor));
  const rows = factor * Math.max(1, Math.floor(2 ** 20 / (width * factor))); // in strips: no copy of a whole large photo
  const pen = penOf(newCanvas(width, {height: Math.min(rows, height)}), {willReadFrequently: true});
  for (let top = 0; top < height; top += rows) {
    const count = Math.min(rows, height - top);
    pen.fillStyle = GREY;
    pen.fillRect(0, 0, width, count);
    pen.drawImage(bitmap, 0, top, width, count, 0, 0, width, count);
    const strip = reduce(fromRgba(pen.getImageData(0, 0, width, count)), factor, factor);
    result.planes.forEach((plane, c) => plane.set(strip.planes[c], (top / factor) * result.width));
  }
  bitmap.close();
  return result;
}

/** @param {number} width @param {number} height @param {any} [Kind] of array */
export function image(width, height, Kind = Uint8ClampedArray) {
  return {width, height, planes: [0, 1, 2].map(() => new Kind(width * height))};
}

export function fromRgba({data, width, height}) {
  const result = image(width, height);
  for (let i = 0; i < width * height; i++) {
    for (let c = 0; c < 3; c++) result.planes[c][i] = data[4 * i + c];
  }
  return result;
}

export function toRgba({planes, width, height}) {
  const result = new ImageData(width, height);
  for (let i = 0; i < width * height; i++) {
    for (let c = 0; c < 3; c++) result.data[4 * i + c] = planes[c][i];
    result.data[4 * i + 3] = 255;
  }
  return result;
}

export function crop({planes, width}, left, top, right, bottom) {
  const result = image(right - left, bottom - top);
  planes.forEach((plane, c) => {
    for (let y = top; y < bottom; y++) {
      result.planes[c].set(plane.subarray(y * width + left, y * width + right), (y - top) * result.width);
    }
  });
  return result;
}

// Averages of fx by fy pixels, of fewer at the right and the lower edge.
export function reduce(source, fx, fy) {
  if (fx === 1 && fy === 1) return source;
  const result = image(Math.ceil(source.width / fx), Math.ceil(source.height / fy));
  source.planes.forEach((plane, c) => {
    for (let y = 0; y < result.height; y++) {
      const bottom = Math.min((y + 1) * fy, source.height);
      for (let x = 0; x < result.width; x++) {
        const right = Math.min((x + 1) * fx, source.width);
        let sum = 0;
        for (let v = y * fy; v < bottom; v++) {
          for (let u = x * fx; u < right; u++) sum += plane[v * source.width + u];
        }
        result.planes[c][y * result.width + x] = Math.floor(sum / ((right - x * fx) * (bottom - y * fy)) + 0.5);
      }
    }
  });
  return result;
}

const sinc = x => (x === 0 ? 1 : Math.sin(Math.PI * x) / (Math.PI * x));
const FILTERS = {
  box: [0.5, x => (x > -0.5 && x <= 0.5 ? 1 : 0)],
  lanczos: [3, x => (x > -3 && x < 3 ? sinc(x) * sinc(x / 3) : 0)],
};

function windows(inside, size, end, [support, filter]) {
  const scale = end / size, stretch = Math.max(scale, 1);
  return Array.from({length: size}, (_, i) => {
    const center = (i + 0.5) * scale;
    const first = Math.max(0, Math.floor(center - support * stretch + 0.5));
    const last = Math.min(inside, Math.floor(center + support * stretch + 0.5));
    const weights = Array.from({length: last - first}, (_, k) => filter((k + first - center + 0.5) / stretch));
    const sum = weights.reduce((a, b) => a + b, 0);
    return {first, weights: weights.map(weight => weight / sum)};
  });
}

// As Pillow resizes: across, then down, rounded to bytes after each. `end` is where the source ends, if not at its edge.
export function resize(source, width, height, filter, end = [source.width, source.height]) {
  if (filter === "nearest") return nearest(source, width, height);
  const across = windows(source.width, width, end[0], FILTERS[filter]);
  const down = windows(source.height, height, end[1], FILTERS[filter]);
  const half = image(width, source.height), result = image(width, height);
  source.planes.forEach((plane, c) => {
    for (let y = 0; y < source.height; y++) {
      for (let x = 0; x < width; x++) {
        const {first, weights} = across[x];
        let sum = 0;
        for (let k = 0; k < weights.length; k++) sum += weights[k] * plane[y * source.width + first + k];
        half.planes[c][y * width + x] = Math.floor(sum + 0.5);
      }
    }
    for (let y = 0; y < height; y++) {
      const {first, weights} = down[y];
      for (let x = 0; x < width; x++) {
        let sum = 0;
        for (let k = 0; k < weights.length; k++) sum += weights[k] * half.planes[c][(first + k) * width + x];
        result.planes[c][y * width + x] = Math.floor(sum + 0.5);
      }
    }
  });
  return result;
}

function nearest(source, width, height) {
  const result = image(width, height);
  for (let y = 0; y < height; y++) {
    const row = Math.floor(((y + 0.5) * source.height) / height) * source.width;
    for (let x = 0; x < width; x++) {
      const from = row + Math.floor(((x + 0.5) * source.width) / width);
      for (let c = 0; c < 3; c++) result.planes[c][y * width + x] = source.planes[c][from];
    }
  }
  return result;
}

// Bytes to floats in [0, 1].
export function toFloats({planes, width, height}) {
  return {width, height, planes: planes.map(plane => Float32Array.from(plane, value => value / 255))};
}

// Half as large, each pixel the mean of four; an odd last row or column is left out, as torch's avg_pool2d does.
export function halve(source) {
  const width = source.width >> 1, height = source.height >> 1, result = image(width, height, Float32Array);
  source.planes.forEach((plane, c) => {
    for (let y = 0; y < height; y++) {
      for (let x = 0; x < width; x++) {
        const i = 2 * y * source.width + 2 * x, j = i + source.width;
        result.planes[c][y * width + x] = (plane[i] + plane[i + 1] + plane[j] + plane[j + 1]) / 4;
      }
    }
  });
  return result;
}

// Beyond its edges a picture goes on mirrored: torch's padding_mode="reflection" with align_corners=False.
function mirror(place, size) {
  const from = Math.abs(place + 0.5), flips = Math.floor(from / size), rest = from - flips * size;
  return Math.max(0, Math.min(size - 1, (flips % 2 ? size - rest : rest) - 0.5));
}

const A = -0.75; // of torch's bicubic
const near = x => ((A + 2) * x - (A + 3)) * x * x + 1;
const far = x => ((A * x - 5 * A) * x + 8 * A) * x - 4 * A;

// `view` times as much as a square {x, y, side, angle} of float planes, at size × size: three planes in one array.
export function cut(source, {x, y, side, angle}, size, view = 1, bicubic = false) {
  const {width, height, planes} = source, result = new Float32Array(3 * size * size);
  const cos = Math.cos(angle) * side, sin = Math.sin(angle) * side;
  for (let row = 0; row < size; row++) {
    const v = ((row + 0.5) / size - 0.5) * view;
    for (let column = 0; column < size; column++) {
      const u = ((column + 0.5) / size - 0.5) * view, to = row * size + column;
      const px = x + u * cos - v * sin - 0.5, py = y + u * sin + v * cos - 0.5;
      const taps = bicubic ? cubic(px, py, width, height) : linear(mirror(px, width), mirror(py, height), width, height);
      for (let c = 0; c < 3; c++) {
        let sum = 0;
        for (let k = 0; k < taps.length; k += 2) sum += taps[k + 1] * planes[c][taps[k]];
        result[c * size * size + to] = sum;
      }
    }
  }
  return result;
}

function linear(px, py, width, height) {
  const left = Math.floor(px), top = Math.floor(py), fx = px - left, fy = py - top;
  const right = Math.min(left + 1, width - 1), bottom = Math.min(top + 1, height - 1); // its weight is 0 there
  return [
    top * width + left, (1 - fx) * (1 - fy), top * width + right, fx * (1 - fy),
    bottom * width + left, (1 - fx) * fy, bottom * width + right, fx * fy,
  ];
}

function cubic(px, py, width, height) {
  const left = Math.floor(px), top = Math.floor(py), fx = px - left, fy = py - top;
  const across = [far(fx + 1), near(fx), near(1 - fx), far(2 - fx)], down = [far(fy + 1), near(fy), near(1 - fy), far(2 - fy)];
  const taps = [];
  for (let j = 0; j < 4; j++) {
    const row = Math.floor(mirror(top - 1 + j, height)) * width;
    for (let i = 0; i < 4; i++) taps.push(row + Math.floor(mirror(left - 1 + i, width)), across[i] * down[j]);
  }
  return taps;
}
