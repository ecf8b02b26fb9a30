// Squares of numbers over the frame of a face: looked at between their cells, blurred and shrunk, as a mix at full size needs
// them (warp.js).

export const GRID = 32, LOW = 64, MARGIN = 1 / 8, VIEW = 1 + 2 * MARGIN; // cells of a movement and of a model's picture; around the frame

/** From shares of the frame to those of a photo with its margin. */
export const within = place => (place + MARGIN) / VIEW;

// Planes are {values, size, planes}: so many squares of float32, one after the other.
export const planes = (size, count) => ({values: new Float32Array(size * size * count), size, planes: count});

// The values of all planes at (x, y), 0 to 1 within them, bilinear, into `found`; beyond the edge they are repeated or
// mirrored. Nothing is allocated here: it runs for each pixel.
export function look({values, size, planes: count}, x, y, found, mirrored = false) {
  const column = fold(x * size - 0.5, size, mirrored), row = fold(y * size - 0.5, size, mirrored);
  const x0 = Math.floor(column), y0 = Math.floor(row), fx = column - x0, fy = row - y0, cells = size * size;
  const right = x0 < size - 1 ? 1 : 0, below = y0 < size - 1 ? size : 0;
  for (let plane = 0, i = y0 * size + x0; plane < count; plane++, i += cells) {
    const top = values[i] * (1 - fx) + values[i + right] * fx;
    found[plane] = top * (1 - fy) + (values[i + below] * (1 - fx) + values[i + below + right] * fx) * fy;
  }
  return found;
}

export const spot = () => new Float64Array(4); // what `look` finds

function fold(place, size, mirrored) {
  if (mirrored) {
    place = Math.abs(place + 0.5) % (2 * size);
    place = (place > size ? 2 * size - place : place) - 0.5;
  }
  return Math.min(size - 1, Math.max(0, place));
}

export const each = (size, action) => {
  for (let row = 0, i = 0; row < size; row++) {
    for (let column = 0; column < size; column++, i++) action(i, (column + 0.5) / size, (row + 0.5) / size);
  }
};

export function blur(image, sigma) {
  const reach = Math.max(1, Math.round(3 * sigma)), {size} = image, width = 2 * reach + 1, kernel = new Float64Array(width);
  for (let i = 0; i < width; i++) kernel[i] = Math.exp(-0.5 * ((i - reach) / sigma) ** 2);
  const sum = kernel.reduce((a, b) => a + b), line = new Float64Array(size + 2 * reach);
  for (let pass = 0; pass < 2; pass++) {
    const next = planes(size, image.planes), {values} = image, blurred = next.values;
    for (let from = 0; from < values.length; from += size * size) {
      for (let row = 0; row < size; row++) {
        for (let i = 0; i < line.length; i++) line[i] = values[from + row * size + Math.min(size - 1, Math.max(0, i - reach))];
        for (let i = 0; i < size; i++) {
          let total = 0;
          for (let k = 0; k < width; k++) total += kernel[k] * line[i + k];
          blurred[from + i * size + row] = total / sum; // rows become columns, and again rows
        }
      }
    }
    image = next;
  }
  return image;
}

// The mean of what lies below each cell of a smaller plane.
export function shrink(image, size) {
  const next = planes(size, image.planes), step = image.size / size;
  for (let plane = 0; plane < image.planes; plane++) {
    for (let row = 0; row < size; row++) {
      for (let column = 0; column < size; column++) {
        let total = 0, count = 0;
        for (let y = Math.floor(row * step); y < Math.ceil((row + 1) * step); y++) {
          for (let x = Math.floor(column * step); x < Math.ceil((column + 1) * step); x++, count++) {
            total += image.values[(plane * image.size + y) * image.size + x];
          }
        }
        next.values[(plane * size + row) * size + column] = total / count;
      }
    }
  }
  return next;
}

// Part of a picture's pixels as planes of red, green and blue in [0, 1].
export function toPlanes({data, width}, size, left = 0) {
  const image = planes(size, 3), cells = size * size;
  for (let row = 0; row < size; row++) {
    for (let column = 0; column < size; column++) {
      const from = 4 * (row * width + left + column), to = row * size + column;
      for (let c = 0; c < 3; c++) image.values[c * cells + to] = data[from + c] / 255;
    }
  }
  return image;
}
