const canvas = element.querySelector('canvas'), pen = canvas.getContext('2d');
const slider = element.querySelector('input'), play = element.querySelector('.play');
const output = element.querySelector('output');
let strip = null, morph = null, playing = false, direction = 1, last = 0;

function draw() {
  if (!strip) return;
  const share = slider.value / 1000, place = share * (morph.count - 1);
  const first = Math.min(Math.floor(place), morph.count - 2), side = strip.height;
  pen.imageSmoothingQuality = 'high';
  for (const [frame, alpha] of [[first, 1], [first + 1, place - first]]) {
    pen.globalAlpha = alpha;
    pen.drawImage(strip, frame * side + 0.5, 0.5, side - 1, side - 1, 0, 0, canvas.width, canvas.height);
  }
  output.textContent = morph.share.replace('{percent}', Math.round(100 * share));
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
slider.addEventListener('keydown', event => {  // 5 % a press, as a hand would; a page is a fifth; Home and End are the browser's
  const step = {ArrowRight: 50, ArrowUp: 50, ArrowLeft: -50, ArrowDown: -50, PageUp: 200, PageDown: -200}[event.key];
  if (!step) return;
  event.preventDefault();
  slider.value = Math.max(0, Math.min(1000, Number(slider.value) + step));
  setPlaying(false);
  draw();
});
slider.addEventListener('input', () => { setPlaying(false); draw(); });
play.addEventListener('click', () => setPlaying(!playing));
watch('value', update);
update();
