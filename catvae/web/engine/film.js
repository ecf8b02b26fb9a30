// Animations made in the browser: a GIF, and a video where the browser has an encoder.

import {MixerError} from "../dom.js";
import {SIDE, checkReads, newCanvas, paint, penOf} from "../draw.js";

const GIF = {frames: 25, ms: 80, side: 192}, VIDEO = {frames: 33, ms: 60, side: 512, bitrate: 2_500_000};
const CODECS = [["avc", "avc1.42001f"], ["vp9", "vp09.00.30.08"], ["av1", "av01.0.04M.08"]];

/** How many frames of the way a film shows. @param {string} kind */
export const framesOf = kind => (kind === "gif" ? GIF : VIDEO).frames;

const thereAndBack = (/** @type {any[]} */ frames) => [...frames, ...frames.slice(1, -1).reverse()];
const breathe = () => new Promise(resolve => setTimeout(resolve)); // let the page answer in between

/** @param {Promise<any>} loading @param {string} name */
const arrived = (loading, name) => loading.catch(error => {
  throw new MixerError("missing", `${name}: ${error.message}`, error);
});

/** The name of a video codec that this browser writes; null without one. */
export async function findCodec() {
  for (const [name, codec] of typeof VideoEncoder === "undefined" ? [] : CODECS) {
    const {supported} = await VideoEncoder.isConfigSupported({codec, width: VIDEO.side, height: VIDEO.side, bitrate: VIDEO.bitrate})
      .catch(() => ({supported: false}));
    if (supported) return name;
  }
  return null;
}

/** @param {string} kind "gif" or "mp4" @param {HTMLCanvasElement[]} pictures @param {(share: number) => void} onShare */
export const makeFilm = (kind, pictures, onShare) => (kind === "gif" ? makeGif : makeVideo)(pictures, onShare);

// For ever, with one palette for all frames, so that still parts stay still.
/** @param {HTMLCanvasElement[]} pictures @param {(share: number) => void} onShare */
async function makeGif(pictures, onShare) {
  checkReads();
  const {GIFEncoder, applyPalette, quantize} = await arrived(import("../gifenc/gifenc.esm.js"), "gifenc");
  const {side} = GIF, all = new Uint8Array(pictures.length * SIDE * SIDE * 4);
  const gif = GIFEncoder(), cell = newCanvas(side), indexed = [], pen = penOf(cell, {willReadFrequently: true});
  pictures.forEach((picture, i) => {
    pen.drawImage(picture, 0, 0, SIDE, SIDE);
    all.set(pen.getImageData(0, 0, SIDE, SIDE).data, i * SIDE * SIDE * 4);
  });
  const palette = quantize(all, 256);
  for (const [i, picture] of pictures.entries()) {
    pen.imageSmoothingQuality = "high";
    pen.drawImage(picture, 0, 0, side, side);
    indexed.push(applyPalette(pen.getImageData(0, 0, side, side).data, palette));
    onShare((i + 1) / pictures.length);
    await breathe();
  }
  for (const [i, index] of thereAndBack(indexed).entries()) {
    gif.writeFrame(index, side, side, {palette: i ? undefined : palette, delay: GIF.ms, repeat: 0});
  }
  gif.finish();
  return new Blob([gif.bytes()], {type: "image/gif"});
}

/** @param {HTMLCanvasElement[]} pictures @param {(share: number) => void} onShare */
async function makeVideo(pictures, onShare) {
  const codec = await findCodec();
  if (!codec) throw new MixerError("unable", "no video encoder");
  const {BufferTarget, CanvasSource, Mp4OutputFormat, Output} = await arrived(import("../mediabunny/mediabunny.min.js"), "mediabunny");
  const canvas = newCanvas(VIDEO.side), target = new BufferTarget(), output = new Output({format: new Mp4OutputFormat(), target});
  const source = new CanvasSource(canvas, {codec, bitrate: VIDEO.bitrate}), frames = thereAndBack(pictures);
  output.addVideoTrack(source, {frameRate: 1000 / VIDEO.ms});
  await output.start();
  for (const [i, picture] of frames.entries()) {
    paint(canvas, picture);
    await source.add((i * VIDEO.ms) / 1000, VIDEO.ms / 1000);
    onShare((i + 1) / frames.length);
  }
  await output.finalize();
  return new Blob([target.buffer], {type: "video/mp4"});
}
