// A visitor's photo in the page: the square that is cut, other faces, and moving it by hand.

import {STILL, ownCat} from "./cats.js";
import {SURE} from "./faces.js";
import {fill, h} from "./dom.js";
import {toRgba} from "./pixels.js";

const SHOWN = 320; // pixels of the photo's longer side on the screen, at most
const RANGES = {zoom: [0.5, 4, 0.05], right: [-1, 1, 0.01], down: [-1, 1, 0.01], turn: [-180, 180, 1]};

export function describe({faces, number}, words) {
  if (!faces.length) return words.face_none;
  if (!number) return words.face_whole;
  const note = faces.length === 1 ? words.web_found : fill(words.web_found_of, {number, count: faces.length});
  return faces[number - 1].score < SURE ? `${note} ${words.face_unsure}` : note;
}

// The panel of one cat. `onCut` gets the cat with its new square; `onOutside` is told when there is none.
export function photoPanel(cat, title, words, onCut, onOutside) {
  const scale = Math.min(1, SHOWN / Math.max(cat.photo.width, cat.photo.height));
  const canvas = h("canvas", {
    width: Math.max(1, Math.round(cat.photo.width * scale)), height: Math.max(1, Math.round(cat.photo.height * scale)),
    className: "photo", tabIndex: 0, role: "img", "aria-label": fill(words.web_photo, {cat: title}),
  });
  const picture = document.createElement("canvas");
  [picture.width, picture.height] = [cat.photo.width, cat.photo.height];
  picture.getContext("2d").putImageData(toRgba(cat.photo), 0, 0);
  const note = h("p", {className: "note"});
  let current = cat;

  function draw() {
    const pen = canvas.getContext("2d"), {x, y, side, angle} = current.square;
    pen.setTransform(1, 0, 0, 1, 0, 0);
    pen.imageSmoothingQuality = "high";
    pen.drawImage(picture, 0, 0, canvas.width, canvas.height);
    pen.setTransform(scale, 0, 0, scale, x * scale, y * scale);
    pen.rotate(angle);
    for (const [colour, width] of [["rgb(0 0 0 / .55)", 5], ["#fb923c", 2.5]]) {
      pen.strokeStyle = colour;
      pen.lineWidth = width / scale;
      pen.strokeRect(-side / 2, -side / 2, side, side);
    }
    note.textContent = describe(current, words);
  }

  function choose(number, moved) {
    const next = ownCat(cat.photo, cat.faces, number, moved);
    if (!next.face) return onOutside();
    current = next;
    draw();
    onCut(current);
  }

  const sliders = Object.entries(RANGES).map(([key, [min, max, step]]) => h("label", {}, h("span", {}, words[key]), h("input", {
    type: "range", min, max, step, value: cat.moved[key], "data-key": key,
    oninput: event => choose(current.number, {...current.moved, [key]: Number(event.target.value)}),
  })));
  const show = () => sliders.forEach(label => {
    const input = label.querySelector("input");
    input.value = current.moved[input.dataset.key];
  });
  // by as many pixels of the photo; the sliders count in sides of the square, along its own axes
  function move(dx, dy) {
    const {side, angle} = current.square, {zoom, right, down} = current.moved, whole = side * zoom, turn = angle - (current.moved.turn * Math.PI) / 180;
    choose(current.number, {
      ...current.moved,
      right: Math.max(-1, Math.min(1, right + (dx * Math.cos(turn) + dy * Math.sin(turn)) / whole)),
      down: Math.max(-1, Math.min(1, down + (dy * Math.cos(turn) - dx * Math.sin(turn)) / whole)),
    });
    show();
  }
  canvas.addEventListener("pointerdown", event => canvas.setPointerCapture(event.pointerId));
  canvas.addEventListener("pointermove", event => {
    if (!canvas.hasPointerCapture(event.pointerId)) return;
    const pixels = cat.photo.width / canvas.clientWidth;
    move(event.movementX * pixels, event.movementY * pixels);
  });
  canvas.addEventListener("keydown", event => {
    const [dx, dy] = {ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1]}[event.key] ?? [];
    if (dx === undefined) return;
    event.preventDefault();
    move((dx * current.square.side) / 50, (dy * current.square.side) / 50);
  });

  const another = number => () => {
    choose(number(), STILL);
    show();
  };
  const buttons = h("div", {className: "row"},
    cat.faces.length > 1 && h("button", {type: "button", onclick: another(() => (current.number % cat.faces.length) + 1)}, words.next_face),
    cat.faces.length > 0 && h("button", {type: "button", onclick: another(() => 0)}, words.whole));
  draw();
  return h("div", {className: "panel"}, canvas, note, buttons,
    h("details", {className: "adjust"}, h("summary", {}, words.adjust), ...sliders));
}
