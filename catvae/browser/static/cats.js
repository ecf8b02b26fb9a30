// The two cats of a mix: examples with latents of their own, or a visitor's photo.

import {base, openFile} from "./files.js";
import {encode, openLatents} from "./models.js";
import {adjust, align, wholePicture} from "./faces.js";

export const STILL = {zoom: 1, right: 0, down: 0, turn: 0};

// A picture file to RGBA, as large as it is.
async function openPicture(name) {
  const bitmap = await createImageBitmap(new Blob([await openFile(name)]));
  const canvas = document.createElement("canvas");
  [canvas.width, canvas.height] = [bitmap.width, bitmap.height];
  const pen = canvas.getContext("2d", {willReadFrequently: true});
  pen.drawImage(bitmap, 0, 0);
  return pen.getImageData(0, 0, canvas.width, canvas.height);
}

const examples = new Map();

// One example cat; the same object for the same name.
export function exampleCat(name) {
  if (!examples.has(name)) {
    let face = null;
    examples.set(name, {
      name, own: false, painted: name.startsWith("kitten-"), // by one of our models
      title: words => nameOf(name, words),
      openFace: async () => (face ??= await openPicture(`cats/${name}.webp`)),
      openLatent: async variant => (await openLatents(variant)).get(name),
    });
  }
  return examples.get(name);
}

export const thumbnail = name => new URL(`cats/${name}.webp`, base).href;

export function nameOf(name, words) {
  const number = name.match(/^kitten-0*(\d+)$/)?.[1];
  if (number) return words.kitten.replace("{number}", number);
  return words[`name_${name}`] ?? name;
}

// A photo with the faces found in it; `number` 1 is the best face and 0 the whole picture.
export function ownCat(photo, faces, number = faces.length ? 1 : 0, moved = STILL) {
  const square = adjust(number ? faces[number - 1] : wholePicture(photo), moved), face = align(photo, square);
  const latents = new Map();
  return {
    name: null, own: true, photo, faces, number, moved, square, face,
    title: words => words.own_cat,
    openFace: async () => face,
    openLatent: variant => {
      if (!latents.has(variant)) {
        latents.set(variant, encode(variant, face).catch(error => {
          latents.delete(variant);
          throw error;
        }));
      }
      return latents.get(variant);
    },
  };
}
