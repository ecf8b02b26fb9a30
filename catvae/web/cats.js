// Cats as the parts know them: where a cat comes from, what it is called, what is said of the face that was cut.

import {fill} from "./dom.js";

/** @typedef {{x: number, y: number, side: number, turn: number, sure?: boolean}} Square
 * The middle in shares of the photo's width and height, the side in shares of its width, clockwise degrees. */
/** @typedef {{picture: HTMLCanvasElement, faces: Square[], whole: Square, file: Blob, key?: any, name?: string}} Photo
 * A copy of it to draw, the faces found, the best first, and what the engine knows it by. */
/** @typedef {{kind: "real" | "painted" | "own" | "cut" | "newborn" | "child", name: string | null, called?: string, face: import("./draw.js").Picture,
 *   photo?: Photo, number?: number, square?: Square, byHand?: boolean, latents?: Map<string, any>}} Cat
 * `called` is the name that a visitor gave it, `number` that of the face that was cut, 0 for the whole picture. */

export const LONGEST = 24; // letters of a name

/** Examples painted by one of our models are kittens by number. @param {string} name */
export const isPainted = name => name.startsWith("kitten-");

/** What an example is called. @param {string} name @param {Record<string, string>} words */
export function nameOf(name, words) {
  return isPainted(name) ? fill(words.kitten, {number: Number(name.slice(7))}) : (words[`name_${name}`] ?? name[0].toUpperCase() + name.slice(1));
}

/** What a cat is called. @param {Cat} cat @param {Record<string, string>} words */
export const titleOf = (cat, words) => cat.called || (cat.name ? nameOf(cat.name, words) : words.own_cat);

/** A name as it is kept: on one line, and short. @param {unknown} text */
export const toName = text => [...String(text ?? "").replace(/[\s\p{C}]+/gu, " ").trim()].slice(0, LONGEST).join("").trim();

/** What the child of two cats is called: the first half of one name and the second of the other.
 * @param {string} a @param {string} b */
export function childName(a, b) {
  const [first, second] = [[...a], [...b]];
  return toName([...first.slice(0, Math.ceil(first.length / 2)), ...second.slice(Math.floor(second.length / 2))].join(""));
}

/** The name that a cat goes by; "" for a kitten by number, and for a cat that no one has named.
 * @param {Cat} cat @param {Record<string, string>} words */
export const calledOf = ({called, name}, words) => called || (name && !name.includes("kitten") ? nameOf(name, words) : "");

/** Whether it is a real cat. @param {Cat} cat @param {Record<string, string>} words */
export const kindOf = (cat, words) => words[`cats_${cat.kind === "cut" ? "own" : cat.kind}`];

/** What was found in its photo; "" where none was looked for. @param {Cat} cat @param {Record<string, string>} words */
export function describe({kind, photo, number, byHand}, words) {
  if (!photo || (kind === "child" && !byHand)) return ""; // a child is a face already
  const {faces} = photo;
  if (byHand) return words.face_by_hand;
  if (!faces.length) return words.face_none;
  if (!number) return words.face_whole;
  const note = faces.length === 1 ? words.face_found : fill(words.face_of, {number, count: faces.length});
  return faces[number - 1].sure ? note : `${note} ${words.face_unsure}`;
}

/** In names of files. @param {{a: Cat, b: Cat, model: string}} state @param {string} [end] */
export function fileName({a, b, model}, end) {
  const plain = (/** @type {Cat} */ {called, name}) => (called ?? "").toLowerCase().replace(/[^\p{L}\p{N}]+/gu, "-").replace(/^-|-$/g, "") || name;
  return [plain(a) ?? "cat-a", plain(b) ?? "cat-b", model, end].filter(Boolean).join("-");
}
