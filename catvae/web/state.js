// The one state of a mixer: what is chosen, what is shown, and what an engine has made of it. Its parts are elements
// of one root, a document or a shadow, which find it there; they change it here, and are told by events:
// "choice" (of cats, model, steps, path), "shown" (another mix), "share" (another place of it), "words", "status".

import {childName, titleOf, toName} from "./cats.js";
import {MixerError, asMixerError, fill, latest, sentenceOf, shares} from "./dom.js";
import {FRAME, fromPicture, toBlob} from "./draw.js";
import {facesOf, fullWay} from "./full.js";
import {keep, recall} from "./keep.js";
import languages from "./words.js";

const SWEEP_MS = 2500; // from A to B while it plays
const SLOW_MS = 500; // dimmed only then: what is dimmed is painted anew
const MAX_WAIT = 15_000; // milliseconds until it is asked for again, at most

/** @typedef {import("./cats.js").Cat} Cat */
/** Pictures at shares of B, at most so large a side where they could be larger.
 * @typedef {{at: (shares: number[], side?: number) => any}} Way */
/** @typedef {{a: Cat, b: Cat, model: string, steps: number, path: string, full: boolean}} State
 * `full`: with the fur of the photos, else the model's pictures alone. */

export class Store extends EventTarget {
  /** @type {any} */ engine = null;
  /** @type {State | null} what is shown */ state = null;
  /** @type {State | null} what is wanted, until it is shown */ next = null;
  /** @type {Way | null} of the model */ way = null;
  /** @type {Way | null} what is shown of it */ morph = null;
  /** @type {{a: Cat, b: Cat, parts: any, coming: Promise<any>} | null} both cats at full size */ scene = null;
  /** @type {{way: Way, parts: any, morph: Way} | null} the last one of `fullOf` */ full = null;
  /** @type {import("./draw.js").Picture[]} of the gallery */ frames = [];
  /** @type {{state: State, share: number, pictures: HTMLCanvasElement[]}[]} mixes whose child became a parent, each with
   * small pictures of A, B and the child */ family = [];
  most = 512; // pixels a side of a picture
  share = 0.5;
  /** @type {number | null} of B in the fur at full size; null is that of the picture */ fur = null;
  touched = false; // whether the visitor has moved the share
  playing = false;
  language = "en";
  turn = 0; // of wishes: only the last one is shown
  turns = {a: 0, b: 0}; // of photos
  /** `kind` is "shown", "asked", "refused" or "failed"; `share` is of what is loading. */
  status = {kind: "asked", text: "", slow: false, share: /** @type {number | null} */ (null)};
  /** @type {Record<"a" | "b", {busy: boolean, looking: boolean, refusal: string}>} `looking` for a face in a photo that was brought */
  sides = {a: {busy: false, looking: false, refusal: ""}, b: {busy: false, looking: false, refusal: ""}};
  keeps = false;
  unseen = false; // whether what is shown is news for those who do not see it
  home = ""; // the address that links begin with
  chosen = false; // whether the language was chosen, and goes with links
  direction = 1;
  /** @type {string | null} what is being made to send or save */ making = null;
  /** @type {(() => Promise<any>) | null} opens another engine, where there is one */ other = null;
  said = ""; // of that
  pngSide = 512;
  /** @type {MixerError | null} why nothing can be shown */ fatal = null;

  /** @type {(store: Store) => void} */ isReady = () => {};
  /** @type {Promise<Store>} once there is an engine */ ready = new Promise(resolve => (this.isReady = resolve));

  /** @returns {Record<string, string>} */
  get words() {
    return languages[this.language];
  }

  get manifest() {
    return this.engine.manifest;
  }

  /** What a model is called: in our words where it is one of ours. @param {string} name */
  titleOf(name) {
    return this.manifest.variants[name].told ? this.words[`model_${name}`] : name;
  }

  /** What the controls say. @returns {State} */
  get choice() {
    return /** @type {State} */ (this.next ?? this.state);
  }

  /** @param {string} kind */
  tell(kind) {
    this.dispatchEvent(new Event(kind));
  }

  /** What is said of sending and saving. @param {string} text */
  note(text) {
    this.said = text;
    this.tell("making");
  }

  /** @param {string} language */
  speak(language) {
    if (language === this.language || !Object.hasOwn(languages, language)) return;
    this.language = language;
    this.tell("words");
    if (this.status.kind === "refused" && this.next) this.change({});
  }

  /** Starts with an engine: "local" or "remote". @param {any} engine @param {Record<string, string>} wish
   * as attributes or an address have it @param {{home: string, keeps?: boolean}} options */
  async open(engine, wish, {home, keeps = false}) {
    Object.assign(this, {home, keeps});
    this.use(engine);
    const asked = this.next = this.read(wish), kept = keeps ? await recall() : null;
    if (kept) { // what attributes have changed meanwhile counts
      const changed = Object.entries(this.choice).filter(([key, value]) => /** @type {any} */ (asked)[key] !== value);
      this.next = {...this.read(kept.choice), ...Object.fromEntries(changed)};
    }
    this.isReady(this);
    this.tell("choice");
    await this.change(kept ? await this.restore(kept.cats) : {});
  }

  /** @param {any} engine */
  use(engine) {
    this.engine = engine;
    engine.onBytes = (/** @type {number} */ done, /** @type {number} */ total) => this.loading(done, total);
  }

  /** What attributes or an address ask for; what they leave open or get wrong is as on a fresh page.
   * @param {Record<string, any>} wish @returns {State} */
  read(wish) {
    const {cats, variants, first, steps: range} = this.manifest, steps = /^\d{1,2}$/.test(wish.steps) ? Number(wish.steps) : 0;
    const cat = (/** @type {"a" | "b"} */ side) => {
      const name = [wish[side], first[side]].find(name => cats.includes(name)) ?? cats[0];
      return {...this.engine.example(name), called: toName(wish[`name-${side}`])};
    };
    return {
      a: cat("a"), b: cat("b"), model: Object.hasOwn(variants, wish.model ?? "") ? wish.model : first.model,
      steps: steps >= range.min && steps <= range.max ? steps : range.first, path: wish.path === "slerp" ? "slerp" : "lerp",
      full: !["0", "false"].includes(String(wish.full)),
    };
  }

  /** Photos of before a reload. @param {Record<string, any>} cats */
  async restore(cats) {
    /** @type {Partial<State>} */
    const wish = {};
    await Promise.all(Object.entries(cats).map(async ([side, {file, kind, called, number, square, byHand}]) => {
      try {
        const cat = await this.engine.findFaces(file);
        if (cat.photo && byHand) Object.assign(cat, {...await this.engine.cut(cat.photo, square), square, byHand, number});
        else if (cat.photo && number !== cat.number) await this.recut(cat, number);
        wish[/** @type {"a" | "b"} */ (side)] = {...cat, kind, called};
      } catch (error) {
        console.warn("kitten-mixer:", error);
      }
    }));
    return wish;
  }

  /** Asks another engine from now on, which looks at photos anew. @param {any} engine */
  async ask(engine) {
    const wish = /** @type {Record<string, any>} */ ({}), {choice} = this;
    for (const [side, {name, called, photo, face, kind}] of Object.entries({a: choice.a, b: choice.b})) {
      const cat = name ? engine.example(name) : await engine.findFaces(photo?.file ?? await toBlob(face));
      if (cat.photo && kind === "child") { // a face already
        const {whole} = cat.photo;
        Object.assign(cat, await engine.cut(cat.photo, whole), {square: whole, number: 0});
      }
      wish[side] = {...cat, kind, called};
    }
    if (!Object.hasOwn(engine.manifest.variants, choice.model)) wish.model = engine.manifest.first.model;
    this.use(engine);
    Object.assign(this, {morph: null, family: []}); // whose cats are the other engine's
    this.tell("words"); // what there is to choose may be another
    await this.change(wish);
  }

  async remember() {
    if (!this.keeps || !this.state) return;
    try {
      await this.keepState(this.state);
    } catch (error) {
      console.warn("kitten-mixer:", error); // a browser that protects its visitor gives no canvas's pixels
    }
  }

  /** @param {State} state */
  async keepState(state) {
    const {a, b, ...rest} = state, cats = /** @type {Record<string, any>} */ ({});
    for (const [side, cat] of Object.entries({a, b})) {
      if (cat.name) continue;
      const {kind, called, number, square, byHand} = cat, file = cat.photo?.file ?? await toBlob(cat.face);
      cats[side] = {file, kind, called, number, square, byHand};
    }
    await keep({choice: {...rest, a: a.name, b: b.name, "name-a": a.name && a.called, "name-b": b.name && b.called}, cats});
  }

  /** @param {Partial<typeof this.status>} news */
  report(news) {
    Object.assign(this.status, news);
    this.tell("status");
  }

  /** @param {number} done @param {number} total bytes */
  loading(done, total) {
    const megabytes = (/** @type {number} */ bytes) => (bytes / 1e6).toFixed(1), {words} = this;
    const text = done < total ? fill(words.web_loading, {done: megabytes(done), total: megabytes(total)}) : words.web_starting;
    this.report({text, share: done / total});
  }

  /** Shows another choice as soon as all of it is there; until then what is shown says that it waits.
   * @param {Partial<State>} wish */
  async change(wish) {
    const next = {...this.choice, ...wish}, turn = ++this.turn, slow = setTimeout(() => this.report({slow: true}), SLOW_MS);
    this.next = next;
    if (this.status.kind !== "failed") this.report({kind: "asked", text: "", share: null});
    this.tell("choice");
    try {
      const {min, max} = this.manifest.steps;
      if (!Number.isInteger(next.steps) || next.steps < min || next.steps > max) {
        return this.report({kind: "refused", text: fill(this.words.bad_steps, {low: min, high: max}), slow: false});
      }
      for (let wait = 1000; ; wait = Math.min(2 * wait, MAX_WAIT)) {
        try {
          return await this.show(next, turn);
        } catch (error) {
          const known = asMixerError(error);
          if (turn !== this.turn || !this.miss(known)) return;
        }
        await new Promise(resolve => setTimeout(resolve, wait * (0.75 + Math.random() / 2)));
        if (turn !== this.turn) return;
      }
    } finally {
      clearTimeout(slow);
    }
  }

  /** @param {State} next @param {number} turn */
  async show(next, turn) {
    const before = this.state;
    const same = before && this.way && before.a === next.a && before.b === next.b && before.model === next.model && before.path === next.path;
    const scene = next.full ? this.sceneOf(next) : null;
    const way = same ? this.way : await this.engine.morph(next.a, next.b, next.model, next.path);
    const morph = scene?.parts ? await this.fullOf(/** @type {Way} */ (way), scene.parts) : way;
    if (before && (before.a !== next.a || before.b !== next.b)) this.fur = null;
    const frames = await morph.at(shares(next.steps), FRAME);
    if (turn !== this.turn) return;
    Object.assign(this, {state: next, next: null, way, morph, frames, unseen: Boolean(before)});
    this.report({kind: "shown", text: "", slow: false, share: null});
    this.tell("choice");
    this.tell("shown");
    this.remember();
    if (scene && morph === way) this.enlarge(scene, next, turn); // the model's picture stands until the photos are here
  }

  /** Both cats at full size, asked for once. @param {State} state */
  sceneOf({a, b}) {
    if (this.scene?.a === a && this.scene.b === b) return this.scene;
    const scene = {a, b, parts: null, coming: Promise.resolve()};
    scene.coming = this.engine.scene(a, b, this.most).then((/** @type {any} */ parts) => (scene.parts = {...parts, faces: facesOf(parts)}));
    scene.coming.catch(() => {
      if (this.scene === scene) this.scene = null; // the next one asks again
    });
    return (this.scene = scene);
  }

  /** What a model's way is with the fur of the photos, made once. @param {Way} way @param {any} parts */
  async fullOf(way, parts) {
    if (this.full?.way !== way || this.full.parts !== parts) this.full = {way, parts, morph: await fullWay(way, parts, this)};
    return this.full.morph;
  }

  /** @param {{coming: Promise<any>}} scene @param {State} next @param {number} turn */
  async enlarge(scene, next, turn) {
    try {
      const parts = await scene.coming;
      if (turn !== this.turn) return;
      const morph = await this.fullOf(/** @type {Way} */ (this.way), parts), frames = await morph.at(shares(next.steps), FRAME);
      if (turn !== this.turn) return;
      Object.assign(this, {morph, frames, unseen: false});
      this.tell("shown");
    } catch (error) {
      console.warn("kitten-mixer:", error);
      if (turn === this.turn) this.report({text: this.words.full_failed});
    }
  }

  /** A cat's face as it is shown. @param {"a" | "b"} side @param {State} state @returns {import("./draw.js").Picture} */
  faceOf(side, state = this.choice) {
    const cat = state[side], {scene} = this;
    return state.full && scene?.parts && scene[side] === cat ? scene.parts.faces[side === "a" ? 0 : 1] : cat.face;
  }

  /** Whether what is shown has the fur of the photos: "coming" while it is on its way. */
  get fullness() {
    if (!this.choice?.full) return "off";
    return this.morph && this.morph !== this.way ? "on" : "coming";
  }

  /** What did not come is said; true where it is to be asked for again. @param {MixerError} error */
  miss(error) {
    console.warn("kitten-mixer:", error);
    if (error.kind === "busy") {
      this.report({kind: "failed", text: this.words.unanswered, slow: false});
      return true;
    }
    const text = error.kind === "refused" ? error.message : this.words[`web_${error.kind}`];
    if (!this.state) {
      this.fatal = error;
      this.tell("fatal");
    }
    this.next = this.state ? null : this.next; // the controls say again what is shown
    this.report({kind: this.state ? "shown" : "refused", text: this.state ? `${text} ${this.words.web_kept}` : text, slow: false, share: null});
    this.tell("choice");
    return false;
  }

  /** What a cat's own card does: `act` brings a cat; what cannot be done is said there, and nothing is lost.
   * @param {"a" | "b"} side @param {() => Promise<Cat>} act @param {Partial<State>} [more] that changes with it */
  async bring(side, act, more = {}, looking = false) {
    const turn = ++this.turns[side], place = this.sides[side];
    Object.assign(place, {busy: true, looking, refusal: ""});
    this.tell("status");
    try {
      const cat = await act();
      if (turn === this.turns[side]) this.change({...more, [side]: cat});
      return true;
    } catch (error) {
      if (turn === this.turns[side]) {
        const known = asMixerError(error), {kind} = known;
        if (kind !== "refused") console.warn("kitten-mixer:", known);
        place.refusal = fill(sentenceOf(known, this.words), {cat: side.toUpperCase()});
      }
      return false;
    } finally {
      if (turn === this.turns[side]) Object.assign(place, {busy: false, looking: false});
      this.tell("status");
    }
  }

  /** What is on its way comes too late. @param {"a" | "b"} side */
  settle(side) {
    this.turns[side]++;
    Object.assign(this.sides[side], {busy: false, looking: false, refusal: ""});
  }

  /** @param {"a" | "b"} side @param {string} name */
  choose(side, name) {
    this.settle(side);
    return this.change({[side]: this.engine.example(name)});
  }

  /** @param {"a" | "b"} side @param {Blob} file */
  photo(side, file) {
    return this.bring(side, () => {
      if (file.size > this.manifest.megabytes * 1e6) throw new MixerError("refused", this.words.too_heavy);
      return this.engine.findFaces(file);
    }, {}, true);
  }

  /** An example with the photo it was cut from, so that the square can be moved. @param {"a" | "b"} side */
  openPhoto(side) {
    const {name, kind, called} = this.choice[side];
    return this.bring(side, async () => {
      const cat = await this.engine.findFaces(await this.engine.photoOf(name));
      Object.assign(cat.photo, {name});
      return {...cat, name, kind, called};
    });
  }

  /** @param {"a" | "b"} side @param {import("./cats.js").Square} square @param {number} [number] of the face; none by hand */
  cut(side, square, number) {
    const cat = this.choice[side];
    return this.bring(side, async () => {
      const cut = await this.engine.cut(cat.photo, square), whole = number ?? cat.number;
      // an example that is cut otherwise is the visitor's
      const own = number === 1 ? {name: cat.photo?.name ?? null} : {name: null};
      return {...cat, ...cut, ...own, square, number: whole, byHand: number === undefined};
    });
  }

  /** @param {any} cat @param {number} number */
  async recut(cat, number) {
    const square = number ? cat.photo.faces[number - 1] : cat.photo.whole;
    if (square) Object.assign(cat, {...await this.engine.cut(cat.photo, square), square, number});
  }

  surprise() {
    const {a, b} = this.choice, others = this.manifest.cats.filter((/** @type {string} */ name) => name !== a.name && name !== b.name);
    const [first, second] = others.map((/** @type {string} */ name) => [Math.random(), name]).sort((/** @type {any} */ x, /** @type {any} */ y) => x[0] - y[0])
      .map((/** @type {any} */ [, name]) => this.engine.example(name));
    if (second) return this.change({a: first, b: second});
  }

  /** A name for a cat. @param {"a" | "b"} side @param {string} text */
  name(side, text) {
    if (!this.choice) return;
    this.choice[side].called = toName(text);
    this.tell("choice");
    if (!this.state) return;
    this.unseen = false; // the mix is not new
    this.tell("shown");
    this.remember();
  }

  /** The child becomes cat A and another cat comes to it; its parents stay in the family. */
  breed() {
    const {state, share, morph, words} = this;
    if (!state || !morph) return;
    const {cats, photos} = this.manifest, strange = (/** @type {string} */ name) => name !== state.a.name && name !== state.b.name;
    const others = [photos.filter(strange), cats.filter(strange), cats].find(names => names.length); // at best one with fur
    const other = others[Math.floor(others.length * Math.random())], turn = this.turns.a + 1;
    const faces = /** @type {("a" | "b")[]} */ (["a", "b"]).map(side => fromPicture(this.faceOf(side, state)));
    return this.bring("a", async () => {
      const [picture] = await morph.at([share]), [small] = await morph.at([share], FRAME);
      const cat = await this.engine.findFaces(await toBlob(picture));
      if (cat.photo) await this.recut(cat, 0); // it is a face already
      if (turn === this.turns.a) this.family = [...this.family, {state, share, pictures: [...faces, fromPicture(small)]}];
      return {...cat, kind: "child", called: childName(titleOf(state.a, words), titleOf(state.b, words))};
    }, {b: this.engine.example(other)});
  }

  /** Back to a mix of the family; those after it are gone. @param {number} index */
  back(index) {
    const {state, share} = this.family[index];
    this.family = this.family.slice(0, index);
    this.settle("a");
    this.settle("b");
    this.slide(share);
    return this.change({...state});
  }

  async newborn() {
    try {
      const [a, b] = await this.engine.newborn(this.choice.model);
      await this.change({a, b});
    } catch (error) {
      console.warn("kitten-mixer:", error);
      this.report({text: sentenceOf(error, this.words)});
    }
  }

  /** @param {number} share */
  slide(share) {
    this.share = Math.max(0, Math.min(1, share));
    this.touched = true;
    if (this.playing) this.play(false);
    this.tell("share");
  }

  /** Whose fur the picture has. @param {number | null} share of B; null is that of the picture */
  comb(share) {
    this.fur = share;
    this.tell("share");
    this.repaint();
  }

  repaint = latest(async () => {
    const {morph, state} = this, frames = state && await morph?.at(shares(state.steps), FRAME);
    if (!frames || morph !== this.morph || state !== this.state) return;
    Object.assign(this, {frames, unseen: false});
    this.tell("shown");
  });

  /** @param {boolean} on */
  play(on) {
    this.playing = on;
    if (on) this.touched = true;
    let last = performance.now();
    const advance = (/** @type {number} */ now) => {
      if (!this.playing) return;
      this.share += (this.direction * Math.min(Math.max(0, now - last), 100)) / SWEEP_MS;
      last = now;
      if (this.share >= 1 || this.share <= 0) this.direction = this.share >= 1 ? -1 : 1;
      this.share = Math.max(0, Math.min(1, this.share));
      this.tell("share");
      requestAnimationFrame(advance);
    };
    if (on) requestAnimationFrame(advance);
    this.tell("share");
  }

  /** What shows the same again, as attributes or in an address; photos stay where they are. */
  link() {
    const {a, b, model, steps, path, full} = this.state ?? this.choice;
    const wish = {
      a: a.name, b: b.name, "name-a": a.name && a.called, "name-b": b.name && b.called, model, steps: String(steps), path, full: full ? null : "0",
    };
    return Object.fromEntries(Object.entries(wish).filter(([, value]) => value));
  }
}

/** By root. A page may hold these modules twice, an app's and a folder's: whichever made the parts, they meet here.
 * @type {WeakMap<Node, Store>} */
const stores = (/** @type {any} */ (globalThis)[Symbol.for("kitten-mixer")] ??= new WeakMap());

/** The mixer of a root. @param {Node} root */
export function storeOf(root) {
  let store = stores.get(root);
  if (!store) stores.set(root, (store = new Store()));
  return store;
}
