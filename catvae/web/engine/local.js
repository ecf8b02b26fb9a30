// The networks in the page as the engine: no picture leaves the device.

import {isPainted} from "../cats.js";
import {MixerError, base, shares} from "../dom.js";
import {SIDE, fromBlob, fromPixels, newCanvas, paint, penOf, pieceOf} from "../draw.js";
import {NETWORKS, SURE, align, catness, findFaces, wholePicture} from "./faces.js";
import {openFile, openManifest, readTensors} from "./files.js";
import {findCodec, framesOf, makeFilm} from "./film.js";
import {between, decode, encode, networksOf, openLatents, openNetworks, toFetch, watchBytes} from "./models.js";
import {PhotoError, fromRgba, openPhoto, toRgba} from "./pixels.js";
import {NETWORKS as FULL_SIZE, makeScene} from "./scene.js";

const SHOWN = 1024; // pixels of the longer side of the copy that is drawn
const TEMPERATURE = 0.5, DRAWN = 12; // of newborns: times the standard deviation, and how many for each, as catvae/latents.py has it
const ALIGNER = NETWORKS[1];

/** A square in pixels as the page has it. @param {any} square @param {{width: number, height: number}} photo */
const toShares = ({x, y, side, angle, score}, {width, height}) => ({
  x: x / width, y: y / height, side: side / width, turn: (angle * 180) / Math.PI, sure: score >= SURE,
});

/** @param {import("../cats.js").Square} square @param {{width: number, height: number}} photo */
const toPixels = ({x, y, side, turn}, {width, height}) => ({
  x: x * width, y: y * height, side: side * width, angle: (turn * Math.PI) / 180, score: 0,
});

/** Standard normal (Box and Muller 1958). */
const normal = () => Math.sqrt(-2 * Math.log(1 - Math.random())) * Math.cos(2 * Math.PI * Math.random());

/** @param {() => Record<string, string>} wordsOf */
export async function openEngine(wordsOf) {
  const manifest = await openManifest();
  const sprite = await fromBlob(new Blob([/** @type {any} */ (await openFile("cats.webp"))])), codec = await findCodec();

  /** Runs `act`; tells how much of what it needs has come. @param {string[]} names of networks @param {() => Promise<any>} act */
  async function waitFor(names, act) {
    const total = await toFetch(names);
    const stop = total ? watchBytes((/** @type {number} */ bytes) => engine.onBytes(Math.min(bytes, total), total)) : () => {};
    try {
      await openNetworks(names);
      return await act();
    } finally {
      stop();
    }
  }

  /** @param {any} cat @param {string} model */
  async function latentOf(cat, model) {
    if (cat.name) return (await openLatents(model)).cats.get(cat.name);
    const {encoder} = await networksOf(model); // which several models may share
    if (!cat.latents.has(encoder)) {
      cat.latents.set(encoder, encode(model, cat.pixels).catch(error => {
        cat.latents.delete(encoder);
        throw error;
      }));
    }
    return cat.latents.get(encoder);
  }

  /** @param {any[]} cats @param {string[]} models */
  async function needed(cats, models) {
    const all = await Promise.all(models.map(networksOf));
    return [...new Set(all.flatMap(({encoder, decoder, painter}) => [decoder, painter, cats.every(({name}) => name) ? null : encoder]))].filter(name => name != null);
  }

  /** @param {any} a @param {any} b @param {string} model @param {string} path */
  async function way(a, b, model, path) {
    const [from, to] = await Promise.all([latentOf(a, model), latentOf(b, model)]);
    return {
      at: async (/** @type {number[]} */ shares) =>
        (await decode(model, shares.map(share => between(from, to, share, path)))).map(fromPixels),
    };
  }

  /** @param {string} kind @param {ImageData} pixels */
  const cutCat = (kind, pixels) => ({kind, name: null, face: fromPixels(pixels), pixels, latents: new Map()});

  /** A model that paints, for cats that exist at 64×64 only. */
  const painter = Object.keys(manifest.variants).find(name => manifest.variants[name].painted);

  /** @param {any} cat @returns {Promise<import("./scene.js").Parent>} */
  async function parentOf(cat) {
    const known = cat.name ? manifest.squares[cat.name] : cat.photo ? cat.square : null;
    const photo = known && (cat.name ? await openPhoto(await engine.photoOf(cat.name)) : cat.photo.key);
    if (known) {
      const square = toPixels(known, photo), face = align(photo, square);
      if (face) return {photo, square, face};
    }
    const face = cat.pixels ?? penOf(cat.face).getImageData(0, 0, SIDE, SIDE), square = {x: SIDE / 2, y: SIDE / 2, side: SIDE, angle: 0, score: 0};
    const painted = painter ? (await decode(painter, [await latentOf(cat, painter)]))[0] : undefined;
    return {photo: fromRgba(face), square, face, painted};
  }

  const engine = {
    name: "local",
    manifest: {...manifest, films: codec ? ["gif", "mp4"] : ["gif"]},
    spriteUrl: new URL(`cats.webp?v=${manifest.files["cats.webp"].hash}`, base).href,
    /** @type {(done: number, total: number) => void} */
    onBytes: () => {},

    /** @param {string} name @returns {any} */
    example: name => ({
      kind: isPainted(name) ? "painted" : "real", name, face: pieceOf(sprite, manifest.cats.indexOf(name)),
    }),

    /** @param {Blob} file @returns {Promise<any>} */
    async findFaces(file) {
      const photo = await openPhoto(file).catch(error => {
        const {reason} = error;
        if (!(error instanceof PhotoError)) throw error;
        throw new MixerError("refused", wordsOf()[reason === "unreadable" ? "web_unreadable" : reason]);
      });
      if (photo.width === SIDE && photo.height === SIDE) return cutCat("cut", toRgba(photo));
      const found = await waitFor(NETWORKS, () => findFaces(photo)), whole = wholePicture(photo);
      const scale = Math.min(1, SHOWN / Math.max(photo.width, photo.height));
      const [width, height] = [photo.width, photo.height].map(side => Math.max(1, Math.round(side * scale))), picture = newCanvas(width, {height});
      paint(picture, fromPixels(toRgba(photo)));
      const faces = found.map((/** @type {any} */ face) => toShares(face, photo)), number = faces.length ? 1 : 0;
      const cat = cutCat("own", /** @type {ImageData} */ (align(photo, found[0] ?? whole)));
      const wholeSquare = toShares(whole, photo);
      return {...cat, number, square: faces[0] ?? wholeSquare, photo: {picture, faces, whole: wholeSquare, file, key: photo}};
    },

    /** @param {string} name */
    photoOf: async name => new Blob([/** @type {any} */ (await openFile(`cats/${name}.jpg`))]),

    /** @param {import("../cats.js").Photo} photo @param {import("../cats.js").Square} square */
    async cut({key: photo}, square) {
      const pixels = align(photo, toPixels(square, photo));
      if (!pixels) throw new MixerError("refused", wordsOf().bad_square);
      return {face: fromPixels(pixels), pixels, latents: new Map()};
    },

    /** @param {any} a @param {any} b @param {string} model @param {string} path */
    async morph(a, b, model, path) {
      return waitFor(await needed([a, b], [model]), () => way(a, b, model, path));
    },

    /** Both cats at full size. @param {any} a @param {any} b @param {number} most pixels a side */
    scene: (a, b, most) => waitFor(FULL_SIZE, async () => makeScene([await parentOf(a), await parentOf(b)], most)),

    /** @param {any} a @param {any} b @param {string} path */
    async compare(a, b, path) {
      const models = Object.keys(manifest.variants);
      const ways = await waitFor(await needed([a, b], models), () =>
        Promise.all(models.map(async model => /** @type {[string, any]} */ ([model, await way(a, b, model, path)]))));
      return {ways: new Map(ways), numbers: null};
    },

    /** What the linear VAE is made of. @param {string} file */
    components: file => openFile(file),

    /** Two kittens that no one has seen, by a model that paints where there is one: of several those that look most
     * like cats to the networks that find faces. @param {string} asked */
    async newborn(asked) {
      const model = painter ?? asked, {mean, std} = await openLatents(model), networks = await networksOf(model);
      const draw = () => Float32Array.from(mean, (value, i) => value + TEMPERATURE * std[i] * normal());
      return waitFor([networks.decoder, networks.painter, ALIGNER].filter(name => name != null), async () => {
        const faces = await decode(model, Array.from({length: 2 * DRAWN}, draw)), scored = [];
        for (const face of faces) scored.push({face, score: await catness(face)});
        scored.sort((a, b) => b.score - a.score);
        return scored.slice(0, 2).map(({face}) => cutCat("newborn", face));
      });
    },

    /** As the remote engine's. @param {any} cat @param {number[]} places @param {number} dial */
    async dials(cat, places, dial) {
      const {names, breeds, reach, models: [model]} = manifest.dials;
      return waitFor(await needed([cat], [model]), async () => {
        const tensors = readTensors(await openFile("dials.safetensors"), "dials.safetensors"), mu = await latentOf(cat, model), {length} = mu;
        const [directions, weight, bias] = ["directions", "weight", "bias"].map(name => /** @type {any} */ (tensors.get(name)).values);
        const row = (/** @type {Float32Array} */ values, /** @type {number} */ i) => values.subarray(i * length, (i + 1) * length);
        const logits = breeds.map((/** @type {string} */ _, /** @type {number} */ i) => row(weight, i).reduce((sum, value, j) => sum + value * mu[j], bias[i]));
        const most = Math.max(...logits), parts = logits.map((/** @type {number} */ logit) => Math.exp(logit - most));
        const total = parts.reduce((/** @type {number} */ sum, /** @type {number} */ part) => sum + part, 0);
        const nearest = breeds.map((/** @type {string} */ breed, /** @type {number} */ i) => [breed, parts[i] / total]).sort((/** @type {any} */ [, x], /** @type {any} */ [, y]) => y - x);
        const at = (/** @type {number} */ share) => names.reduce((/** @type {Float32Array} */ z, /** @type {string} */ _, /** @type {number} */ i) => {
          const units = places[i] + (i === dial ? (2 * share - 1) * reach : 0), direction = row(directions, i);
          return z.map((value, j) => value + units * direction[j]);
        }, mu);
        return {nearest: Object.fromEntries(nearest), way: {
          at: async (/** @type {number[]} */ shares) => (await decode(model, shares.map(at))).map(fromPixels),
        }};
      });
    },

    /** As the remote engine's. @param {any[]} cats */
    async pad(cats) {
      const model = manifest.dials.models[0] ?? manifest.first.model;
      return waitFor(await needed(cats, [model]), async () => {
        const latents = await Promise.all(cats.map(cat => latentOf(cat, model)));
        const mix = (/** @type {number[]} */ weights) => latents[0].map((/** @type {number} */ _, /** @type {number} */ j) => latents.reduce((sum, z, i) => sum + weights[i] * z[j], 0));
        return {at: async (/** @type {number[]} */ weights) => fromPixels((await decode(model, [mix(weights)]))[0])};
      });
    },

    /** @param {string} kind @param {any} _ the state @param {(share: number) => void} onShare
     * @param {{at: (shares: number[]) => any}} way what is shown of it */
    async film(kind, _, onShare, {at}) {
      return makeFilm(kind, await at(shares(framesOf(kind))), onShare);
    },

    /** Fetches what photos need too, so that all of it works without the network. @param {string} model */
    async keepForLater(model) {
      if (/** @type {any} */ (navigator).connection?.saveData) return;
      await openNetworks([...NETWORKS, ...FULL_SIZE, (await networksOf(model)).encoder]);
    },
  };
  return engine;
}
