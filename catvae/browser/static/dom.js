// Elements without markup in strings: a strict policy allows neither inline styles nor unchecked HTML.

import {MixerError, base} from "./files.js";

export function h(tag, properties = {}, ...children) {
  const element = document.createElement(tag);
  for (const [key, value] of Object.entries(properties)) {
    if (key.startsWith("on")) element.addEventListener(key.slice(2), value);
    else if (key in element && key !== "list" && key !== "role") element[key] = value;
    else if (value !== false && value != null) element.setAttribute(key, value);
  }
  element.append(...children.filter(child => child != null && child !== false));
  return element;
}

export const fill = (text, values) => text.replace(/\{(\w+)\}/g, (whole, key) => values[key] ?? whole);

// A cat of lines, for where no picture file can be had.
export function drawnCat() {
  const space = "http://www.w3.org/2000/svg", svg = document.createElementNS(space, "svg");
  svg.setAttribute("viewBox", "0 0 64 48");
  for (const [key, value] of Object.entries({width: 150, fill: "none", stroke: "currentColor", "stroke-width": 1.6, "aria-hidden": true})) {
    svg.setAttribute(key, value); // it must look right without the style sheet too
  }
  const lines = [
    "M14 30 C14 18 16 8 18 4 L27 12 Q32 11 37 12 L46 4 C48 8 50 18 50 30 C50 40 42 45 32 45 S14 40 14 30Z",
    "M24 25 v4 M40 25 v4 M29.5 33 h5 L32 36Z M32 36 q-3 4 -6 1 M32 36 q3 4 6 1",
    "M18 33 L4 30 M18 36 L5 38 M46 33 L60 30 M46 36 L59 38",
  ];
  for (const line of lines) {
    const path = document.createElementNS(space, "path");
    path.setAttribute("d", line);
    svg.append(path);
  }
  return svg;
}

// RGBA of 64×64 onto a canvas, enlarged smoothly.
const small = document.createElement("canvas");

export function paint(canvas, picture) {
  [small.width, small.height] = [picture.width, picture.height];
  small.getContext("2d").putImageData(picture, 0, 0);
  const pen = canvas.getContext("2d");
  pen.imageSmoothingQuality = "high";
  pen.drawImage(small, 0, 0, canvas.width, canvas.height);
}

export function newCanvas(side, properties = {}) {
  return h("canvas", {width: side, height: side, ...properties});
}

// Pixels only: what a mix is not.
export function crossFade(a, b, share) {
  const picture = new ImageData(a.width, a.height);
  for (let i = 0; i < picture.data.length; i++) picture.data[i] = (1 - share) * a.data[i] + share * b.data[i];
  return picture;
}

let sheet = null;

// A constructed sheet: unlike <style>, a strict policy allows it.
export async function openStyles() {
  if (sheet) return sheet;
  const response = await fetch(new URL("mixer.css", base)).catch(() => null);
  if (!response?.ok) throw new MixerError("missing", "mixer.css cannot be had");
  sheet ??= new CSSStyleSheet();
  sheet.replaceSync(await response.text());
  return sheet;
}
