// The app as the engine: it finds, cuts and mixes; the page shows. What gets no answer is asked for again.

import {isPainted} from "../cats.js";
import {MixerError, base} from "../dom.js";
import {fade, fromBlob, penOf, pieceOf} from "../draw.js";

const NEIGHBOURS = 17; // frames that come; between two of them the page fades, within 54 dB of the true picture

/** @param {string} path @param {any} [body] @param {string} [type] */
async function ask(path, body, type = "application/json") {
  const options = body === undefined ? {} : {method: "POST", body, headers: {"content-type": type}};
  const answer = await fetch(new URL(path, base), options).catch(error => {
    throw new MixerError("busy", `${path}: ${error.message}`, error);
  });
  if (answer.ok) return answer;
  if (answer.status === 404 || answer.status === 422 || answer.status === 413) {
    const {error, gone} = await answer.json().catch(() => ({}));
    if (error) throw Object.assign(new MixerError("refused", error), {gone});
  }
  throw new MixerError("busy", `${path}: ${answer.status}`);
}

/** @param {string} data base64 @param {string} type */
function blobOf(data, type) {
  return new Blob([Uint8Array.from(atob(data), letter => letter.charCodeAt(0))], {type});
}

/** A cat as the app knows it. @param {import("../cats.js").Cat & {sent?: string}} cat */
const named = cat => (cat.name ? {cat: cat.name} : {face: cat.sent});

/** The same with its photo. @param {import("../cats.js").Cat & {sent?: string}} cat */
const whole = cat => (cat.name || !cat.photo ? named(cat) : {key: cat.photo.key, square: cat.square});

/** @param {string} address that needs no file */
async function pixelsOf(address) {
  const picture = await fromBlob(await (await fetch(address)).blob());
  return penOf(picture).getImageData(0, 0, picture.width, picture.height);
}

/** A way through frames that are all here. @param {import("../draw.js").Picture} strip @param {number} count */
function way(strip, count) {
  const frames = Array.from({length: count}, (_, i) => pieceOf(strip, i));
  return {at: (/** @type {number[]} */ shares) => shares.map(share => between(share, count, i => frames[i]))};
}

/** The picture at a share of the way through `count`. @param {number} share @param {number} count @param {(i: number) => any} at */
function between(share, count, at) {
  const place = share * (count - 1), first = Math.max(0, Math.min(Math.floor(place), count - 2));
  return place === first ? at(first) : fade(at(first), at(first + 1), place - first);
}

/** @param {() => Record<string, string>} _wordsOf @param {() => string} languageOf */
export async function openEngine(_wordsOf, languageOf) {
  const [manifest, sprite] = await Promise.all([
    ask("mixer.json").then(answer => answer.json()), ask("cats.webp").then(answer => answer.blob()).then(fromBlob),
  ]);
  const lang = () => `lang=${languageOf()}`;

  /** @param {any} told @param {Blob} [file] @returns {Promise<import("../cats.js").Cat>} */
  async function catOf({kind, face, photo, key, faces, whole, number}, file) {
    const picture = await fromBlob(blobOf(face, "image/png")), cat = {kind, name: null, face: picture, sent: face};
    if (!photo || !file) return cat;
    const shown = await fromBlob(blobOf(photo, "image/jpeg"));
    return {...cat, number, square: number ? faces[number - 1] : whole, photo: {picture: shown, faces, whole, file, key}};
  }

  /** A photo to the app, and what it says of it. @param {Blob} file */
  const send = async file => (await ask(`ask/faces?${lang()}`, file, "application/octet-stream")).json();

  /** Asks for what needs photos; those that have left the app are sent again. @param {(import("../cats.js").Photo | undefined)[]} photos
   * @param {() => Promise<Response>} act */
  const kept = (photos, act) => act().catch(async error => {
    if (!error.gone) throw error;
    for (const photo of photos) if (photo) photo.key = (await send(photo.file)).key;
    return act();
  });

  const engine = {
    name: "remote",
    manifest,
    spriteUrl: new URL("cats.webp", base).href,

    /** @param {string} name @returns {import("../cats.js").Cat} */
    example: name => ({
      kind: isPainted(name) ? "painted" : "real", name, face: pieceOf(sprite, manifest.cats.indexOf(name)),
    }),

    /** The faces in a photo, and the best one cut. @param {Blob} file */
    async findFaces(file) {
      return catOf(await send(file), file);
    },

    /** The photo of an example. @param {string} name */
    photoOf: async name => (await ask(`ask/photo?cat=${name}`)).blob(),

    /** A photo's face in a square. @param {import("../cats.js").Photo} photo @param {import("../cats.js").Square} square */
    async cut(photo, square) {
      const answer = await kept([photo], () => ask(`ask/cut?${lang()}`, JSON.stringify({key: photo.key, square})));
      const {face} = await answer.json();
      return {face: await fromBlob(blobOf(face, "image/png")), sent: face};
    },

    /** @param {any} a @param {any} b @param {string} model @param {string} path @param {number} most pixels a side that are shown */
    async morph(a, b, model, path, most) {
      const query = new URLSearchParams({model, path, lang: languageOf(), most: String(most)});
      if (a.name && b.name) for (const [key, cat] of Object.entries({a, b})) query.set(key, cat.name);
      const answer = await ask(`ask/morph?${query}`, a.name && b.name ? undefined : JSON.stringify({a: named(a), b: named(b)}));
      return way(await createImageBitmap(await answer.blob()), NEIGHBOURS);
    },

    /** Both cats at full size. @param {any} a @param {any} b @param {number} most pixels a side @returns {Promise<import("../full.js").Scene>} */
    async scene(a, b, most) {
      const query = new URLSearchParams({lang: languageOf(), most: String(most)}), examples = a.name && b.name;
      if (examples) for (const [key, cat] of Object.entries({a, b})) query.set(key, cat.name);
      const {photos, ...parts} = await (await kept([a.photo, b.photo], () =>
        ask(`ask/scene?${query}`, examples ? undefined : JSON.stringify({a: whole(a), b: whole(b)})))).json();
      return {...parts, photos: await Promise.all(photos.map(pixelsOf))};
    },

    /** Every model's way, and the numbers as HTML. @param {any} a @param {any} b @param {string} path */
    async compare(a, b, path) {
      const body = {a: {...named(a), kind: a.kind}, b: {...named(b), kind: b.kind}, path};
      const {strips, frames, numbers} = await (await ask(`ask/compare?${lang()}`, JSON.stringify(body))).json();
      const ways = await Promise.all(Object.entries(strips).map(async ([model, strip]) =>
        /** @type {[string, any]} */ ([model, way(await createImageBitmap(blobOf(strip, "image/webp")), frames)])));
      return {ways: new Map(ways), numbers};
    },

    /** What the linear VAE is made of. @param {string} file */
    components: async file => new Uint8Array(await (await ask(file)).arrayBuffer()),

    /** Two kittens that no one has seen. @param {string} model */
    async newborn(model) {
      const {faces} = await (await ask(`ask/newborn?model=${model}&${lang()}`, "")).json();
      return Promise.all(faces.map((/** @type {string} */ face) => catOf({kind: "newborn", face})));
    },

    /** An animation of a mix. @param {string} kind @param {any} state */
    async film(kind, {a, b, model, path, full, fur}) {
      const sent = full ? whole : named;
      const answer = await kept([a.photo, b.photo], () => ask(`ask/film?${lang()}`, JSON.stringify({kind, a: sent(a), b: sent(b), model, path, full, fur})));
      return answer.blob();
    },

    /** A map of the examples with both cats on it, as HTML. @param {any} a @param {any} b @param {string} model */
    async map(a, b, model) {
      return (await ask(`ask/map?${lang()}`, JSON.stringify({a: named(a), b: named(b), model}))).text();
    },

    /** A cat as dials make it: the way along one `dial` while the others stay at their `places`, and the likelihood of
     * each breed for the cat itself. @param {any} cat @param {number[]} places @param {number} dial */
    async dials(cat, places, dial) {
      const {strip, nearest} = await (await ask(`ask/dials?${lang()}`, JSON.stringify({cat: named(cat), places, dial}))).json();
      return {way: way(await createImageBitmap(blobOf(strip, "image/jpeg")), NEIGHBOURS), nearest};
    },

    /** The mixes of three or four cats, by the weights of each. @param {any[]} cats */
    async pad(cats) {
      const body = Object.fromEntries(cats.map((cat, i) => ["abcd"[i], named(cat)]));
      const strip = await createImageBitmap(await (await ask(`ask/pad?${lang()}`, JSON.stringify(body))).blob());
      const count = strip.width / strip.height, side = Math.sqrt(count), frames = Array.from({length: count}, (_, i) => pieceOf(strip, i));
      return {at: (/** @type {number[]} */ [, b, c, d = 0]) => between(c + d, side, row => between(b + d, side, column => frames[side * row + column]))};
    },
  };
  return engine;
}
