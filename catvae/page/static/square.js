// The square on a photo: {x, y} its centre in shares of the photo's width and height, `side` in shares of its width,
// `turn` clockwise in degrees. Moved, sized and turned by mouse, fingers and keys; `moved` is called with each new one.

const SMALLEST = 24;  // pixels of the photo's side as it is shown to us; a face of fewer says nothing

function squareTool(dialog, moved) {
  const stage = dialog.querySelector('.stage'), picture = stage.querySelector('img');
  const frame = stage.querySelector('.square'), shade = stage.querySelector('.shade'), cut = dialog.querySelector('.cut');
  let square = null;

  function draw() {
    if (!square || !picture.naturalWidth) return;
    const {x, y, side, turn} = square;
    frame.style.cssText = shade.style.cssText = `left: ${100 * x}%; top: ${100 * y}%; width: ${100 * side}%; rotate: ${turn}deg`;
    drawCut(cut, picture, square);
  }
  function put(next) {  // its middle stays on the photo: no square is a bad one
    const {naturalWidth: width, naturalHeight: height} = picture;
    if (!square || !width) return;
    const between = (low, value, high) => Math.max(low, Math.min(high, value));
    const changed = {...square, ...next};
    square = {
      x: between(0, changed.x, 1),
      y: between(0, changed.y, 1),
      side: between(SMALLEST / Math.max(width, height), changed.side, 1.25 * Math.max(1, height / width)),
      turn: ((changed.turn + 540) % 360) - 180,
    };
    draw();
    moved(square);
  }
  const place = event => {
    const box = stage.getBoundingClientRect();
    return {x: event.clientX - box.left, y: event.clientY - box.top, width: box.width, height: box.height};
  };
  const pointers = new Map();
  let grip = 'move';

  stage.addEventListener('pointerdown', event => {
    if (event.button) return;
    event.preventDefault();
    frame.focus({preventScroll: true});
    stage.setPointerCapture(event.pointerId);
    if (!pointers.size) grip = event.target.closest('i')?.className ?? 'move';
    pointers.set(event.pointerId, place(event));
  });
  for (const kind of ['pointerup', 'pointercancel'])
    stage.addEventListener(kind, event => pointers.delete(event.pointerId));
  stage.addEventListener('pointermove', event => {
    const before = pointers.get(event.pointerId);
    if (!before || !square) return;
    const now = place(event), {width, height} = now;
    pointers.set(event.pointerId, now);
    const [other] = [...pointers].filter(([id]) => id !== event.pointerId).map(([, at]) => at);
    // around what it is sized and turned: the other finger, or the square's middle
    const middle = {x: square.x * width, y: square.y * height}, around = other ?? middle;
    const arm = at => Math.hypot(at.x - around.x, at.y - around.y), way = at => Math.atan2(at.y - around.y, at.x - around.x);
    const larger = arm(now) / Math.max(1, arm(before)), turned = (way(now) - way(before)) * 180 / Math.PI;
    if (other) put({
      x: square.x + (now.x - before.x) / 2 / width, y: square.y + (now.y - before.y) / 2 / height,
      side: square.side * larger, turn: square.turn + turned,
    });
    else if (grip === 'size') put({side: square.side * larger});
    else if (grip === 'turn') put({turn: square.turn + turned});
    else put({x: square.x + (now.x - before.x) / width, y: square.y + (now.y - before.y) / height});
  });
  stage.addEventListener('wheel', event => {
    event.preventDefault();
    if (square) put({side: square.side * Math.exp(-event.deltaY / 800)});
  }, {passive: false});
  frame.addEventListener('keydown', event => {
    if (event.ctrlKey || event.metaKey || event.altKey || !square) return;
    const step = square.side * (event.shiftKey ? 0.1 : 0.02), {naturalWidth: width, naturalHeight: height} = picture;
    const next = {
      ArrowLeft: {x: square.x - step}, ArrowRight: {x: square.x + step},
      ArrowUp: {y: square.y - step * width / height}, ArrowDown: {y: square.y + step * width / height},
      '+': {side: square.side * 1.05}, '=': {side: square.side * 1.05}, '-': {side: square.side / 1.05},
      '[': {turn: square.turn - 2}, ']': {turn: square.turn + 2},
    }[event.key];
    if (!next) return;
    event.preventDefault();
    put(next);
  });
  picture.addEventListener('load', draw);
  return {
    show(source, shown) {
      square = shown;
      if (picture.getAttribute('src') !== source) picture.src = source;
      draw();
    },
  };
}

// What the square cuts, as the models will see it; where it leaves the photo, the photo goes on mirrored.
function drawCut(canvas, picture, {x, y, side, turn}) {
  const pen = canvas.getContext('2d'), {naturalWidth: width, naturalHeight: height} = picture;
  const scale = canvas.width / (side * width);
  pen.setTransform(1, 0, 0, 1, canvas.width / 2, canvas.height / 2);
  pen.rotate(-turn * Math.PI / 180);
  pen.scale(scale, scale);
  pen.translate(-x * width, -y * height);
  pen.imageSmoothingQuality = 'high';
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
