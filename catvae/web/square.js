// The square on a photo, moved, sized and turned by mouse, fingers, wheel and keys.

import {h} from "./dom.js";
import {newCanvas, penOf} from "./draw.js";

const SMALLEST = 24; // pixels of the photo's side as it is shown to us; a face of fewer says nothing
const VIEW = 62; // percent of the window's height that a photo takes at most

/** @param {string} label @param {string} alt @param {string} cutLabel @param {(square: any) => void} moved is called with each new one */
export function squareTool(label, alt, cutLabel, moved) {
  const photo = h("div", {className: "photo", role: "img", "aria-label": alt}), shade = h("div", {className: "shade"});
  const frame = h("div", {className: "square", role: "application", tabIndex: 0, "aria-label": label}, h("i", {className: "turn"}), h("i", {className: "size"}));
  const stage = h("div", {className: "stage"}, photo, frame), preview = newCanvas(64, {className: "cut", role: "img", "aria-label": cutLabel});
  /** @type {any} */ let square = null;
  /** @type {any} */ let picture = null;

  function draw() {
    if (!square || !picture) return;
    const {x, y, side, turn} = square;
    for (const {style} of [frame, shade]) {
      Object.assign(style, {left: `${100 * x}%`, top: `${100 * y}%`, width: `${100 * side}%`, rotate: `${turn}deg`});
    }
    drawCut(preview, picture, square);
  }

  /** It stays on the photo, or no further beside it than where it was found. @param {any} next */
  function put(next) {
    if (!square || !picture) return;
    const {width, height} = picture, before = square, {x, y, side, turn} = {...square, ...next};
    const between = (/** @type {number} */ low, /** @type {number} */ value, /** @type {number} */ high) => Math.max(low, Math.min(high, value));
    const angle = (turn * Math.PI) / 180, spread = Math.abs(Math.cos(angle)) + Math.abs(Math.sin(angle)), ratio = height / width;
    const size = between(SMALLEST / Math.max(width, height), side, Math.max(Math.min(1, ratio) / spread, side < before.side ? side : before.side));
    const right = Math.min(0.5, (size * spread) / 2), down = Math.min(0.5, (size * spread) / 2 / ratio);
    square = {
      x: between(Math.min(right, before.x), x, Math.max(1 - right, before.x)),
      y: between(Math.min(down, before.y), y, Math.max(1 - down, before.y)),
      side: size, turn: ((turn + 540) % 360) - 180,
    };
    draw();
    moved(square);
  }

  /** @param {PointerEvent} event */
  const place = event => {
    const box = stage.getBoundingClientRect();
    return {x: event.clientX - box.left, y: event.clientY - box.top, width: box.width, height: box.height};
  };
  const pointers = new Map();
  let grip = "move";

  stage.addEventListener("pointerdown", (/** @type {PointerEvent} */ event) => {
    if (event.button) return;
    event.preventDefault();
    frame.focus({preventScroll: true});
    stage.setPointerCapture(event.pointerId);
    if (!pointers.size) grip = /** @type {Element} */ (event.target).closest("i")?.className ?? "move";
    pointers.set(event.pointerId, place(event));
  });
  for (const kind of ["pointerup", "pointercancel"]) {
    stage.addEventListener(kind, (/** @type {PointerEvent} */ event) => pointers.delete(event.pointerId));
  }
  stage.addEventListener("pointermove", (/** @type {PointerEvent} */ event) => {
    const before = pointers.get(event.pointerId);
    if (!before || !square) return;
    const now = place(event), {width, height} = now;
    pointers.set(event.pointerId, now);
    const [other] = [...pointers].filter(([id]) => id !== event.pointerId).map(([, at]) => at);
    // around what it is sized and turned: the other finger, or the square's middle
    const around = other ?? {x: square.x * width, y: square.y * height};
    const arm = (/** @type {any} */ at) => Math.hypot(at.x - around.x, at.y - around.y);
    const way = (/** @type {any} */ at) => Math.atan2(at.y - around.y, at.x - around.x);
    const larger = arm(now) / Math.max(1, arm(before)), turned = ((way(now) - way(before)) * 180) / Math.PI;
    if (other) put({
      x: square.x + (now.x - before.x) / 2 / width, y: square.y + (now.y - before.y) / 2 / height,
      side: square.side * larger, turn: square.turn + turned,
    });
    else if (grip === "size") put({side: square.side * larger});
    else if (grip === "turn") put({turn: square.turn + turned});
    else put({x: square.x + (now.x - before.x) / width, y: square.y + (now.y - before.y) / height});
  });
  stage.addEventListener("wheel", (/** @type {WheelEvent} */ event) => {
    event.preventDefault();
    if (square) put({side: square.side * Math.exp(-event.deltaY / 800)});
  }, {passive: false});
  frame.addEventListener("keydown", (/** @type {KeyboardEvent} */ event) => {
    if (event.ctrlKey || event.metaKey || event.altKey || !square) return;
    const step = square.side * (event.shiftKey ? 0.1 : 0.02), down = (step * picture.width) / picture.height;
    const next = /** @type {Record<string, any>} */ ({
      ArrowLeft: {x: square.x - step}, ArrowRight: {x: square.x + step}, ArrowUp: {y: square.y - down}, ArrowDown: {y: square.y + down},
      "+": {side: square.side * 1.05}, "=": {side: square.side * 1.05}, "-": {side: square.side / 1.05},
      "[": {turn: square.turn - 2}, "]": {turn: square.turn + 2},
    })[event.key];
    if (!next) return;
    event.preventDefault();
    put(next);
  });
  return {
    stage, frame, preview,
    get square() {
      return square;
    },
    /** @param {HTMLCanvasElement} shown @param {any} at */
    show(shown, at) {
      square = at;
      if (picture !== shown) {
        picture = shown;
        photo.replaceChildren(shown, shade);
        stage.style.width = `min(480px, 100%, ${(VIEW * shown.width) / shown.height}vh)`;
      }
      draw();
    },
  };
}

/** What the square cuts, as the models will see it; where it leaves the photo, the photo goes on mirrored.
 * @param {HTMLCanvasElement} canvas @param {HTMLCanvasElement} picture @param {any} square */
function drawCut(canvas, picture, {x, y, side, turn}) {
  const pen = penOf(canvas), {width, height} = picture, scale = canvas.width / (side * width);
  pen.setTransform(1, 0, 0, 1, canvas.width / 2, canvas.height / 2);
  pen.rotate((-turn * Math.PI) / 180);
  pen.scale(scale, scale);
  pen.translate(-x * width, -y * height);
  // the photo itself last, over the rim of its mirror images, so that no seam shows
  for (const right of [-1, 1, 0]) for (const down of [-1, 1, 0]) {
    pen.save();
    pen.translate(right && (right + 1) * width, down && (down + 1) * height);
    pen.scale(right ? -1 : 1, down ? -1 : 1);
    const rim = right || down ? 1 / scale : 0;
    pen.drawImage(picture, -rim, -rim, width + 2 * rim, height + 2 * rim);
    pen.restore();
  }
}
