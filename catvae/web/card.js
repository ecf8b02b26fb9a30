// A picture to send: both parents, the kitten that the morph shows, and where to meet it.

import {kindOf, titleOf} from "./cats.js";
import {newCanvas, penOf} from "./draw.js";

const WIDTH = 1080, HEIGHT = 1350, INK = "#431407", PALE = "#7c2d12", FONTS = "ui-rounded, Nunito, system-ui, sans-serif";

/** @param {CanvasRenderingContext2D} pen @param {CanvasImageSource} picture @param {number} x @param {number} y @param {number} side */
function drawPicture(pen, picture, x, y, side) {
  pen.save();
  pen.beginPath();
  pen.roundRect(x, y, side, side, side / 14);
  Object.assign(pen, {shadowColor: "#43140740", shadowBlur: 24, shadowOffsetY: 8, fillStyle: "#fff"});
  pen.fill();
  pen.shadowColor = "transparent";
  pen.clip();
  pen.drawImage(picture, x, y, side, side);
  pen.restore();
}

/** @param {CanvasRenderingContext2D} pen @param {string} text @param {number} x @param {number} y @param {number} size */
function write(pen, text, x, y, size, weight = 400, widest = WIDTH - 120, colour = INK) {
  pen.textAlign = "center";
  pen.fillStyle = colour;
  do pen.font = `${weight} ${size}px ${FONTS}`;
  while (pen.measureText(text).width > widest && size-- > 16);
  pen.fillText(text, x, y, widest);
}

/** @param {import("./state.js").State} state @param {CanvasImageSource[]} faces of A and B @param {CanvasImageSource} kitten @param {number} percent of cat B
 * @param {Record<string, string>} words @param {string} model what it is called @param {string} address */
export function drawCard({a, b}, faces, kitten, percent, words, model, address) {
  const canvas = newCanvas(WIDTH, {height: HEIGHT}), middle = WIDTH / 2;
  const pen = penOf(canvas), paper = pen.createLinearGradient(0, 0, 0, HEIGHT);
  paper.addColorStop(0, "#fff7ed");
  paper.addColorStop(1, "#fed7aa");
  pen.fillStyle = paper;
  pen.fillRect(0, 0, WIDTH, HEIGHT);
  write(pen, `🐱 ${words.card_title}`, middle, 84, 52, 700);
  [a, b].forEach((cat, i) => {
    const x = [250, 830][i], title = cat.name || cat.called ? titleOf(cat, words) : words[["cat_a", "cat_b"][i]];
    drawPicture(pen, faces[i], x - 150, 124, 300);
    write(pen, `${title} · ${i ? percent : 100 - percent} %`, x, 472, 34, 600, 440);
    if (cat.kind === "painted") write(pen, kindOf(cat, words), x, 506, 23, 400, 440, PALE);
  });
  write(pen, "+", middle, 305, 110, 300);
  drawPicture(pen, kitten, middle - 310, 540, 620);
  write(pen, model, middle, 1226, 34, 600);
  write(pen, address, middle, 1296, 30, 400, WIDTH - 120, PALE);
  return canvas;
}
