// What brings cats to a mix: examples, a visitor's photos and their squares, children and newborns. What cannot be done is
// said on the cat's own card, or of the mix, and nothing is lost.

import {childName, titleOf, toName} from "./cats.js";
import {MixerError, asMixerError, fill, sentenceOf} from "./dom.js";
import {FRAME, fromPicture, toBlob} from "./draw.js";
import {faceOf} from "./full.js";

/** @typedef {import("./state.js").Store} Store */
/** @typedef {import("./state.js").Side} Side */
/** @typedef {import("./cats.js").Cat} Cat */

/** @param {Store} store @param {Side} side @param {() => Promise<Cat>} act makes the cat
 * @param {{more?: Partial<import("./state.js").State>, looking?: boolean}} [options] what changes with it, and whether it
 * is looked for in a photo @returns {Promise<boolean>} whether it came */
export async function bring(store, side, act, {more = {}, looking = false} = {}) {
  const turn = ++store.turns[side], place = store.sides[side];
  Object.assign(place, {busy: true, looking, refusal: ""});
  store.tell("status");
  try {
    const cat = await act();
    if (turn === store.turns[side]) store.change({...more, [side]: cat});
    return true;
  } catch (error) {
    if (turn === store.turns[side]) {
      const known = asMixerError(error);
      if (known.kind !== "refused") console.warn("kitten-mixer:", known);
      place.refusal = fill(sentenceOf(known, store.words), {cat: side.toUpperCase()});
    }
    return false;
  } finally {
    if (turn === store.turns[side]) Object.assign(place, {busy: false, looking: false});
    store.tell("status");
  }
}

/** What is on its way comes too late. @param {Store} store @param {Side} side */
function settle(store, side) {
  store.turns[side]++;
  Object.assign(store.sides[side], {busy: false, looking: false, refusal: ""});
}

/** @param {Store} store @param {Side} side @param {string} name of an example */
export function chooseExample(store, side, name) {
  settle(store, side);
  return store.change({[side]: store.engine.example(name)});
}

/** @param {Store} store @param {Side} side @param {Blob} file */
export function bringPhoto(store, side, file) {
  return bring(store, side, () => {
    if (file.size > store.manifest.megabytes * 1e6) throw new MixerError("refused", store.words.too_heavy);
    return store.engine.findFaces(file);
  }, {looking: true});
}

/** An example with the photo it was cut from, so that the square can be moved. @param {Store} store @param {Side} side */
export function openPhoto(store, side) {
  const {name, kind, called} = store.choice[side], {engine} = store;
  return bring(store, side, async () => {
    const cat = await engine.findFaces(await engine.photoOf(name));
    Object.assign(cat.photo, {name});
    return {...cat, name, kind, called};
  });
}

/** @param {Store} store @param {Side} side @param {import("./cats.js").Square} square
 * @param {number} [number] of the face; none by hand */
export function cut(store, side, square, number) {
  const cat = store.choice[side];
  return bring(store, side, async () => {
    // an example that is cut otherwise is the visitor's
    const name = number === 1 ? cat.photo?.name ?? null : null, byHand = number === undefined;
    return {...cat, ...await store.engine.cut(cat.photo, square), name, square, number: number ?? cat.number, byHand};
  });
}

/** The face of that number, or the whole picture. @param {any} engine @param {any} cat @param {number} number */
export async function recut(engine, cat, number) {
  const square = number ? cat.photo.faces[number - 1] : cat.photo.whole;
  if (square) Object.assign(cat, {...await engine.cut(cat.photo, square), square, number});
}

/** Two other examples. @param {Store} store */
export function surprise(store) {
  const {a, b} = store.choice, {cats} = store.manifest;
  const others = cats.filter((/** @type {string} */ name) => name !== a.name && name !== b.name);
  const one = () => store.engine.example(...others.splice(Math.floor(others.length * Math.random()), 1));
  if (others.length > 1) return store.change({a: one(), b: one()});
}

/** A name for a cat. @param {Store} store @param {Side} side @param {string} text */
export function nameCat(store, side, text) {
  if (!store.choice) return;
  store.choice[side].called = toName(text);
  store.tell("choice");
  if (!store.state) return;
  store.unseen = false; // the mix is not new
  store.tell("shown");
  store.remember();
}

/** The child becomes cat A and another cat comes to it; its parents stay in the family. @param {Store} store */
export function breed(store) {
  const {state, share, morph, words, engine} = store;
  if (!state || !morph) return;
  const {cats, photos} = store.manifest, strange = (/** @type {string} */ name) => name !== state.a.name && name !== state.b.name;
  const others = [photos.filter(strange), cats.filter(strange), cats].find(names => names.length); // at best one with fur
  const other = others[Math.floor(others.length * Math.random())], turn = store.turns.a + 1;
  const faces = /** @type {Side[]} */ (["a", "b"]).map(side => fromPicture(faceOf(store, side, state)));
  return bring(store, "a", async () => {
    const [picture] = await morph.at([share]), [small] = await morph.at([share], FRAME);
    const cat = await engine.findFaces(await toBlob(picture));
    if (cat.photo) await recut(engine, cat, 0); // it is a face already
    if (turn === store.turns.a) store.family = [...store.family, {state, share, pictures: [...faces, fromPicture(small)]}];
    return {...cat, kind: "child", called: childName(titleOf(state.a, words), titleOf(state.b, words))};
  }, {more: {b: engine.example(other)}});
}

/** Back to a mix of the family; those after it are gone. @param {Store} store @param {number} index */
export function goBack(store, index) {
  const {state, share} = store.family[index];
  store.family = store.family.slice(0, index);
  settle(store, "a");
  settle(store, "b");
  store.slide(share);
  return store.change({...state});
}

/** Two kittens that no one has seen. @param {Store} store */
export async function newborn(store) {
  try {
    const [a, b] = await store.engine.newborn(store.choice.model);
    await store.change({a, b});
  } catch (error) {
    console.warn("kitten-mixer:", error);
    store.report({text: sentenceOf(error, store.words)});
  }
}

/** The mix asks another engine from now on, which looks at photos anew. @param {Store} store @param {any} engine */
export async function changeEngine(store, engine) {
  const wish = /** @type {Record<string, any>} */ ({}), {a, b, model} = store.choice;
  for (const [side, {name, called, photo, face, kind}] of Object.entries({a, b})) {
    const cat = name ? engine.example(name) : await engine.findFaces(photo?.file ?? await toBlob(face));
    if (cat.photo && kind === "child") await recut(engine, cat, 0); // it is a face already
    wish[side] = {...cat, kind, called};
  }
  if (!Object.hasOwn(engine.manifest.variants, model)) wish.model = engine.manifest.first.model;
  store.use(engine);
  Object.assign(store, {morph: null, family: []}); // whose cats are the other engine's
  store.tell("words"); // what there is to choose may be another
  await store.change(wish);
}
