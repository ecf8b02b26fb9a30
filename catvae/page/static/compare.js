let share = 500, strips = new Map();  // the slider's place outlives a new drawing

function draw() {
  for (const [canvas, strip] of strips) {
    drawBetween(canvas, strip, Number(canvas.dataset.count), share);
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
element.addEventListener('keydown', event => {
  const moved = event.target.closest('.way') ? slideTo(event, share) : null;
  if (moved === null) return;
  share = moved;
  draw();
});
element.addEventListener('click', event => {
  const row = event.target.closest('[data-model]');
  if (!row) return;
  moveMorph(element, share);  // it opens where the face stood
  trigger('click', {model: row.dataset.model});
});
watch('value', () => requestAnimationFrame(update));  // when the new ones stand
update();
