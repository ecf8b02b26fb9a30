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

const GRID = 32, LOW = 64, MARGIN = 1 / 8, VIEW = 1 + 2 * MARGIN, SQUARINGS = 5;
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

// Planes are {values, size, planes}: so many squares of float32, one after the other.
const planes = (size, count) => ({values: new Float32Array(size * size * count), size, planes: count});

// The values of all planes at (x, y), 0 to 1 within them, bilinear, into `found`; beyond the edge they are repeated or
// mirrored. Nothing is allocated here: it runs for each pixel.
function look({values, size, planes: count}, x, y, found, mirrored = false) {
  const column = fold(x * size - 0.5, size, mirrored), row = fold(y * size - 0.5, size, mirrored);
  const x0 = Math.floor(column), y0 = Math.floor(row), fx = column - x0, fy = row - y0, cells = size * size;
  const right = x0 < size - 1 ? 1 : 0, below = y0 < size - 1 ? size : 0;
  for (let plane = 0, i = y0 * size + x0; plane < count; plane++, i += cells) {
    const top = values[i] * (1 - fx) + values[i + right] * fx;
    found[plane] = top * (1 - fy) + (values[i + below] * (1 - fx) + values[i + below + right] * fx) * fy;
  }
  return found;
}

const spot = () => new Float64Array(4); // what `look` finds

function fold(place, size, mirrored) {
  if (mirrored) {
    place = Math.abs(place + 0.5) % (2 * size);
    place = (place > size ? 2 * size - place : place) - 0.5;
  }
  return Math.min(size - 1, Math.max(0, place));
}

const each = (size, action) => {
  for (let row = 0, i = 0; row < size; row++) {
    for (let column = 0; column < size; column++, i++) action(i, (column + 0.5) / size, (row + 0.5) / size);
  }
};

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

function blur(image, sigma) {
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
function shrink(image, size) {
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
function toPlanes({data, width}, size, left = 0) {
  const image = planes(size, 3), cells = size * size;
  for (let row = 0; row < size; row++) {
    for (let column = 0; column < size; column++) {
      const from = 4 * (row * width + left + column), to = row * size + column;
      for (let c = 0; c < 3; c++) image.values[c * cells + to] = data[from + c] / 255;
    }
  }
  return image;
}

const within = place => (place + MARGIN) / VIEW;

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

// Where pixels would be left out, the photo is looked at as it is when it is small.
const isSmall = (size, whole) => size <= whole / 2;

function onCanvas(context) {
  return {
    set() {},
    draw({size: whole, full, base, moved, added, gain}, size, left) {
      const picture = new ImageData(size, size), photos = isSmall(size, whole) ? base : full;
      const more = spot(), movedA = spot(), movedB = spot(), [fineA, fineB, restA, restB, gains] = Array.from({length: 5}, spot);
      each(size, (i, x, y) => {
        const s = look(added, x, y, more)[3], g = look(gain, x, y, gains)[0];
        look(moved[0], x, y, movedA);
        look(moved[1], x, y, movedB);
        const ua = within(x + movedA[0]), va = within(y + movedA[1]), ub = within(x + movedB[0]), vb = within(y + movedB[1]);
        look(photos[0], ua, va, fineA, true);
        look(photos[1], ub, vb, fineB, true);
        look(base[0], ua, va, restA, true);
        look(base[1], ub, vb, restB, true);
        for (let c = 0; c < 3; c++) {
          const fine = fineA[c] * (1 - s) + fineB[c] * s, rest = restA[c] * (1 - s) + restB[c] * s;
          picture.data[4 * i + c] = 255 * (g * fine + (1 - g) * rest + more[c]);
        }
        picture.data[4 * i + 3] = 255;
      });
      context.putImageData(picture, left, 0);
    },
  };
}

const VERTEX = `#version 300 es
out vec2 place;
void main() {
  vec2 corner = vec2(gl_VertexID & 1, gl_VertexID >> 1) * 2.0;
  place = vec2(corner.x, 1.0 - corner.y);
  gl_Position = vec4(corner * 2.0 - 1.0, 0, 1);
}`;

// Cubic interpolation (a = -0.75, as torch's) of 4×4 pixels by 5 bilinear looks: the two middle ones are one, and the
// corners, which weigh next to nothing, are left out (Jimenez, Filmic SMAA, SIGGRAPH 2016).
const FRAGMENT = `#version 300 es
precision highp float;
uniform sampler2D photoA, photoB, baseA, baseB, flows, added, gains;
uniform bool small;
in vec2 place;
out vec4 colour;
const float margin = ${MARGIN};
vec3 look(sampler2D photo, float x, float y) {
  return textureLod(photo, vec2(x, y), 0.0).rgb;
}
vec3 cubic(sampler2D photo, vec2 p) {
  vec2 size = vec2(textureSize(photo, 0)), q = p * size - 0.5, i = floor(q), f = q - i, e = 1.0 - f;
  const float a = -0.75;
  vec2 w0 = ((a * (f + 1.0) - 5.0 * a) * (f + 1.0) + 8.0 * a) * (f + 1.0) - 4.0 * a;
  vec2 w1 = ((a + 2.0) * f - (a + 3.0)) * f * f + 1.0, w2 = ((a + 2.0) * e - (a + 3.0)) * e * e + 1.0;
  vec2 w3 = 1.0 - w0 - w1 - w2, w12 = w1 + w2;
  vec2 p0 = (i - 0.5) / size, p12 = (i + 0.5 + w2 / w12) / size, p3 = (i + 2.5) / size;
  vec3 sum = look(photo, p12.x, p12.y) * w12.x * w12.y
    + (look(photo, p0.x, p12.y) * w0.x + look(photo, p3.x, p12.y) * w3.x) * w12.y
    + (look(photo, p12.x, p0.y) * w0.y + look(photo, p12.x, p3.y) * w3.y) * w12.x;
  return sum / (w12.x + w12.y - w12.x * w12.y);
}
void main() {
  vec4 moved = texture(flows, place), more = texture(added, place);
  float s = more.a, g = texture(gains, place).r;
  vec2 a = (place + moved.xy + margin) / (1.0 + 2.0 * margin), b = (place + moved.zw + margin) / (1.0 + 2.0 * margin);
  vec3 rest = mix(texture(baseA, a).rgb, texture(baseB, b).rgb, s);
  vec3 fromA, fromB;
  if (small) {
    fromA = texture(photoA, a).rgb;
    fromB = texture(photoB, b).rgb;
  } else {
    fromA = cubic(photoA, a);
    fromB = cubic(photoB, b);
  }
  colour = vec4(g * mix(fromA, fromB, s) + (1.0 - g) * rest + more.rgb, 1.0);
}`;

function onGpu(gl) {
  const program = gl.createProgram();
  for (const [kind, source] of [[gl.VERTEX_SHADER, VERTEX], [gl.FRAGMENT_SHADER, FRAGMENT]]) {
    const shader = gl.createShader(kind);
    gl.shaderSource(shader, source);
    gl.compileShader(shader);
    gl.attachShader(program, shader);
  }
  gl.linkProgram(program);
  if (!gl.getProgramParameter(program, gl.LINK_STATUS)) throw new Error(gl.getProgramInfoLog(program) || "no WebGL2 program");
  gl.useProgram(program);
  const textures = ["photoA", "photoB", "baseA", "baseB", "flows", "added", "gains"].map((name, unit) => {
    gl.uniform1i(gl.getUniformLocation(program, name), unit);
    const texture = gl.createTexture(), wrap = unit < 4 ? gl.MIRRORED_REPEAT : gl.CLAMP_TO_EDGE;
    gl.activeTexture(gl.TEXTURE0 + unit);
    gl.bindTexture(gl.TEXTURE_2D, texture);
    for (const [key, value] of [
      [gl.TEXTURE_MIN_FILTER, unit < 2 ? gl.LINEAR_MIPMAP_NEAREST : gl.LINEAR], [gl.TEXTURE_MAG_FILTER, gl.LINEAR], [gl.TEXTURE_WRAP_S, wrap], [gl.TEXTURE_WRAP_T, wrap],
    ]) gl.texParameteri(gl.TEXTURE_2D, key, value);
    return unit;
  });
  const small = gl.getUniformLocation(program, "small");
  const load = (unit, image, whole = image.planes) => {
    const cells = image.size ** 2, mixed = new Float32Array(cells * whole);
    for (let plane = 0; plane < image.planes; plane++) {
      for (let i = 0; i < cells; i++) mixed[i * whole + plane] = image.values[plane * cells + i];
    }
    const [inside, format] = whole === 1 ? [gl.R16F, gl.RED] : [gl.RGBA16F, gl.RGBA];
    gl.activeTexture(gl.TEXTURE0 + textures[unit]);
    gl.texImage2D(gl.TEXTURE_2D, 0, inside, image.size, image.size, 0, format, gl.FLOAT, mixed);
  };
  return {
    set({photos, base}) {
      photos.forEach((photo, unit) => {
        gl.activeTexture(gl.TEXTURE0 + unit);
        gl.texImage2D(gl.TEXTURE_2D, 0, gl.RGBA8, gl.RGBA, gl.UNSIGNED_BYTE, photo);
        gl.generateMipmap(gl.TEXTURE_2D);
      });
      base.forEach((photo, k) => load(2 + k, photo, 4));
    },
    draw({size: whole, moved, added, gain}, size, left) {
      gl.viewport(left, 0, size, size);
      gl.uniform1i(small, Number(isSmall(size, whole)));
      const [a, b] = moved, flows = planes(GRID, 4);
      flows.values.set(a.values);
      flows.values.set(b.values, a.values.length);
      load(4, flows);
      load(5, added);
      load(6, gain);
      gl.drawArrays(gl.TRIANGLES, 0, 3);
    },
  };
}
