// Sliders of 0 to 1000 through a strip of frames: what the morph and Compare draw, how the keys move them, and others too.
function drawBetween(canvas, strip, count, share) {  // a fade of the two frames beside it
  const pen = canvas.getContext('2d'), side = strip.height, place = share / 1000 * (count - 1);
  const first = Math.min(Math.floor(place), count - 2);
  pen.imageSmoothingQuality = 'high';
  for (const [frame, alpha] of [[first, 1], [first + 1, place - first]]) {
    pen.globalAlpha = alpha;
    pen.drawImage(strip, frame * side + 0.5, 0.5, side - 1, side - 1, 0, 0, canvas.width, canvas.height);
  }
}
function slideTo(event, share) {  // 5 % a press, as a hand would; a page is a fifth; Home, End and others are the browser's
  const step = {ArrowRight: 50, ArrowUp: 50, ArrowLeft: -50, ArrowDown: -50, PageUp: 200, PageDown: -200}[event.key];
  if (!step) return null;
  event.preventDefault();
  return Math.max(0, Math.min(1000, Number(share) + step));
}
function moveMorph(element, share) {  // from elsewhere on the page; where there is a morph, its slider
  const slider = element.getRootNode().querySelector('#morph input');
  if (!slider) return null;
  slider.value = share;
  slider.dispatchEvent(new Event('input'));
  return slider;
}
