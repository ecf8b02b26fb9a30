// The one state of a mixer: what is chosen, what is shown, and what an engine has made of it. Its parts are elements
// of one root, a document or a shadow, which find it there; they change it here, and are told by events:
// "choice" (of cats, model, steps, path), "shown" (another mix), "share" (another place of it), "words", "status".

import {toName} from "./cats.js";
import {MixerError, asMixerError, fill, latest, shares} from "./dom.js";
import {FRAME} from "./draw.js";
import {fullOf, isSceneOf, sceneOf} from "./full.js";
import languages from "./words.js";

const SWEEP_MS = 2500; // from A to B while it plays
const SLOW_MS = 500; // dimmed only then: what is dimmed is painted anew
const MAX_WAIT = 15_000; // milliseconds until it is asked for again, at most

/** @typedef {import("./cats.js").Cat} Cat */
/** @typedef {"a" | "b"} Side */
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
  /** @type {{way: Way, parts: any, morph: Way} | null} the last one that `fullOf` made */ full = null;
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
    const asked = this.next = this.read(wish), memory = keeps ? await import("./keep.js") : null, kept = await memory?.recall();
    if (kept) { // what attributes have changed meanwhile counts
      const changed = Object.entries(this.choice).filter(([key, value]) => /** @type {any} */ (asked)[key] !== value);
      this.next = {...this.read(kept.choice), ...Object.fromEntries(changed)};
    }
    this.isReady(this);
    this.tell("choice");
    await this.change(kept ? await memory?.restoreCats(engine, kept.cats) ?? {} : {});
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

  async remember() {
    if (!this.keeps || !this.state) return;
    try {
      await (await import("./keep.js")).keepState(this.state);
    } catch (error) {
      console.warn("kitten-mixer:", error); // a browser that protects its visitor gives no canvas's pixels
    }
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
    // the app makes both at once; in a page the networks of the scene would keep those of the morph waiting
    const scene = next.full && (this.engine.name === "remote" || isSceneOf(this, next)) ? sceneOf(this, next) : null;
    const way = same ? this.way : await this.engine.morph(next.a, next.b, next.model, next.path, this.most);
    const morph = scene?.parts ? await fullOf(this, /** @type {Way} */ (way), scene.parts) : way;
    if (before && (before.a !== next.a || before.b !== next.b)) this.fur = null;
    const frames = await morph.at(shares(next.steps), FRAME);
    if (turn !== this.turn) return;
    Object.assign(this, {state: next, next: null, way, morph, frames, unseen: Boolean(before)});
    this.report({kind: "shown", text: "", slow: false, share: null});
    this.tell("choice");
    this.tell("shown");
    this.remember();
    if (next.full && morph === way) this.enlarge(next, turn); // the model's picture stands until the photos are here
  }

  /** @param {State} next @param {number} turn */
  async enlarge(next, turn) {
    try {
      const parts = await sceneOf(this, next).coming;
      if (turn !== this.turn) return;
      const morph = await fullOf(this, /** @type {Way} */ (this.way), parts), frames = await morph.at(shares(next.steps), FRAME);
      if (turn !== this.turn) return;
      Object.assign(this, {morph, frames, unseen: false});
      this.tell("shown");
    } catch (error) {
      console.warn("kitten-mixer:", error);
      if (turn === this.turn) this.report({text: this.words.full_failed});
    }
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
