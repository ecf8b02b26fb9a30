let share = 500, strips = new Map();  // the slider's place outlives a new drawing

function draw() {
  for (const [canvas, strip] of strips) {
    const pen = canvas.getContext('2d'), count = Number(canvas.dataset.count), side = strip.height;
    const place = share / 1000 * (count - 1), first = Math.min(Math.floor(place), count - 2);
    pen.imageSmoothingQuality = 'high';
    for (const [frame, alpha] of [[first, 1], [first + 1, place - first]]) {
      pen.globalAlpha = alpha;
      pen.drawImage(strip, frame * side + 0.5, 0.5, side - 1, side - 1, 0, 0, canvas.width, canvas.height);
    }
    canvas.dataset.shown = share;
  }
  const slider = element.querySelector('.way input'), stage = element.querySelector('.stage');
  if (!slider) return;
  const text = stage.dataset.share.replace('{percent}', Math.round(share / 10));
  slider.value = share;
  slider.setAttribute('aria-valuetext', text);
  element.querySelector('.way output').textContent = text;
}
async function update() {
  const canvases = [...element.querySelectorAll('canvas')];
  const loaded = await Promise.all(canvases.map(async canvas => {
    const strip = new Image();
    strip.src = canvas.dataset.strip;
    await strip.decode();
    return [canvas, strip];
  }));
  if (!loaded.every(([canvas, strip]) => canvas.isConnected && canvas.dataset.strip === strip.src)) return;  // newer ones came
  strips = new Map(loaded);
  draw();
}
element.addEventListener('input', event => {
  if (!event.target.closest('.way')) return;
  share = Number(event.target.value);
  draw();
});
element.addEventListener('keydown', event => {  // 5 % a press, as a hand would
  const step = {ArrowRight: 50, ArrowUp: 50, ArrowLeft: -50, ArrowDown: -50}[event.key];
  if (!step || !event.target.closest('.way')) return;
  event.preventDefault();
  share = Math.max(0, Math.min(1000, share + step));
  draw();
});
element.addEventListener('click', event => {
  const row = event.target.closest('[data-model]');
  if (row) trigger('click', {model: row.dataset.model});
});
watch('value', () => requestAnimationFrame(update));  // when the new ones stand
update();
