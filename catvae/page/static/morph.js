const canvas = element.querySelector('canvas');
const slider = element.querySelector('input'), play = element.querySelector('.play');
const output = element.querySelector('output');
let strip = null, morph = null, playing = false, direction = 1, last = 0;

function draw() {
  if (!strip) return;
  drawBetween(canvas, strip, morph.count, slider.value);
  output.textContent = morph.share.replace('{percent}', Math.round(slider.value / 10));
  slider.setAttribute('aria-valuetext', output.textContent);
}
function tick(now) {
  if (!playing) return;
  let value = Number(slider.value) + direction * Math.min(now - last, 50) * 0.4;
  if (value >= 1000 || value <= 0) direction = -direction;
  slider.value = Math.max(0, Math.min(1000, value));
  last = now;
  draw();
  requestAnimationFrame(tick);
}
function setPlaying(on) {
  playing = on;
  play.textContent = on ? '❚❚' : '▶';
  if (morph) play.setAttribute('aria-label', on ? morph.pause : morph.play);
  last = performance.now();
  if (on) requestAnimationFrame(tick);
}
function update() {
  if (!props.value) return;
  morph = JSON.parse(props.value);
  canvas.setAttribute('aria-label', morph.label);
  slider.setAttribute('aria-label', morph.label);
  setPlaying(playing);
  const image = new Image();
  image.onload = () => { strip = image; canvas.dataset.ready = morph.count; draw(); };
  image.src = morph.strip;
}
slider.addEventListener('keydown', event => {
  const share = slideTo(event, slider.value);
  if (share === null) return;
  slider.value = share;
  setPlaying(false);
  draw();
});
slider.addEventListener('input', () => { setPlaying(false); draw(); });
play.addEventListener('click', () => setPlaying(!playing));
watch('value', update);
update();
