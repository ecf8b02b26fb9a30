// What warp.js has prepared, drawn: on a canvas in two dimensions, or by WebGL2.

import {GRID, MARGIN, each, look, planes, spot, within} from "./planes.js";

// Where pixels would be left out, the photo is looked at as it is when it is small.
const isSmall = (size, whole) => size <= whole / 2;

export function onCanvas(context) {
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

export function onGpu(gl) {
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
