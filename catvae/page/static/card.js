// A picture to send: both parents, the kitten that the morph shows, and where to meet it.
const CARD = {width: 1080, height: 1350, ink: '#431407', pale: '#7c2d12', fonts: 'ui-rounded, Nunito, system-ui, sans-serif'};

function drawPicture(pen, picture, x, y, side) {
  pen.save();
  pen.beginPath();
  pen.roundRect(x, y, side, side, side / 14);
  pen.shadowColor = '#43140740';
  pen.shadowBlur = 24;
  pen.shadowOffsetY = 8;
  pen.fillStyle = '#fff';
  pen.fill();
  pen.shadowColor = 'transparent';
  pen.clip();
  pen.imageSmoothingQuality = 'high';
  pen.drawImage(picture, x, y, side, side);
  pen.restore();
}
function write(pen, text, x, y, size, weight = 400, widest = CARD.width - 120, colour = CARD.ink) {
  pen.textAlign = 'center';
  pen.fillStyle = colour;
  do pen.font = `${weight} ${size}px ${CARD.fonts}`;
  while (pen.measureText(text).width > widest && size-- > 16);
  pen.fillText(text, x, y, widest);
}
function drawCard({title, titles, notes, model}, share, address) {
  const canvas = document.createElement('canvas'), pen = canvas.getContext('2d');
  canvas.width = CARD.width;
  canvas.height = CARD.height;
  const paper = pen.createLinearGradient(0, 0, 0, CARD.height);
  paper.addColorStop(0, '#fff7ed');
  paper.addColorStop(1, '#fed7aa');
  pen.fillStyle = paper;
  pen.fillRect(0, 0, CARD.width, CARD.height);
  const middle = CARD.width / 2, parents = element.querySelectorAll('.frames figure img');
  write(pen, `🐱 ${title}`, middle, 84, 52, 700);
  [250, 830].forEach((x, i) => {
    drawPicture(pen, parents[i], x - 150, 124, 300);
    write(pen, `${titles[i]} · ${i ? percent(share) : 100 - percent(share)} %`, x, 472, 34, 600, 440);
    if (notes[i]) write(pen, notes[i], x, 506, 23, 400, 440, CARD.pale);
  });
  write(pen, '+', middle, 305, 110, 300);
  drawPicture(pen, morphView().querySelector('canvas'), middle - 310, 540, 620);
  write(pen, model, middle, 1226, 34, 600);
  write(pen, address, middle, 1296, 30, 400, CARD.width - 120, CARD.pale);
  return canvas;
}
