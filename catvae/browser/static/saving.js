// Pictures and animations as files, made in the browser.

import {MixerError} from "./files.js";
import {newCanvas, paint} from "./dom.js";

const FACE = 512, STRIP = 256, GIF = 256, GIF_MS = 60;
export const GIF_FRAMES = 33;

function download(blob, name) {
  const link = document.createElement("a");
  link.href = URL.createObjectURL(blob);
  link.download = name;
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), 60_000);
}

const toBlob = canvas => new Promise((resolve, reject) =>
  canvas.toBlob(blob => (blob ? resolve(blob) : reject(new MixerError("memory", "no memory for the picture"))), "image/png"));

export async function saveFace(picture, name) {
  const canvas = newCanvas(FACE);
  paint(canvas, picture);
  download(await toBlob(canvas), `${name}.png`);
}

export async function saveStrip(pictures, name) {
  const strip = newCanvas(STRIP), cell = newCanvas(STRIP);
  strip.width = STRIP * pictures.length;
  pictures.forEach((picture, i) => {
    paint(cell, picture);
    strip.getContext("2d").drawImage(cell, i * STRIP, 0);
  });
  download(await toBlob(strip), `${name}.png`);
}

// There and back for ever, with one palette for all frames, so that still parts stay still.
export async function saveGif(pictures, name, onShare) {
  const {GIFEncoder, applyPalette, quantize} = await import("./gifenc/gifenc.esm.js").catch(error => {
    throw new MixerError("missing", `gifenc: ${error.message}`, error);
  });
  const all = new Uint8Array(pictures.length * pictures[0].data.length);
  pictures.forEach((picture, i) => all.set(picture.data, i * picture.data.length));
  const palette = quantize(all, 256), gif = GIFEncoder(), cell = newCanvas(GIF), indexed = [];
  for (const [i, picture] of pictures.entries()) {
    paint(cell, picture);
    indexed.push(applyPalette(cell.getContext("2d").getImageData(0, 0, GIF, GIF).data, palette));
    onShare((i + 1) / pictures.length);
    await new Promise(resolve => setTimeout(resolve)); // let the page answer in between
  }
  for (const [i, index] of [...indexed, ...indexed.slice(1, -1).reverse()].entries()) {
    gif.writeFrame(index, GIF, GIF, {palette: i ? undefined : palette, delay: GIF_MS, repeat: 0});
  }
  gif.finish();
  download(new Blob([gif.bytes()], {type: "image/gif"}), `${name}.gif`);
}
