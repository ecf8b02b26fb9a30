// <kitten-mixer model="v6" a="chelsea" b="kitten-04" lang="es">: two cats, and every face between them, in any page.

import words from "./words.js";
import {exampleCat, ownCat} from "./cats.js";
import {crossFade, fill, openStyles, paint} from "./dom.js";
import {NETWORKS, findFaces} from "./faces.js";
import {asMixerError, openManifest} from "./files.js";
import {between, decode, openNetworks, toFetch, watchBytes} from "./models.js";
import {PhotoError, openPhoto} from "./pixels.js";
import {GIF_FRAMES, saveFace, saveGif, saveStrip} from "./saving.js";
import {attributesOf, fileName, readAttributes} from "./state.js";
import {buildView, failure, showCat, showCells, showChoices, showGallery, showShare, showWaiting} from "./view.js";

const SWEEP_MS = 2500; // from A to B while it plays
const shares = count => Array.from({length: count}, (_, i) => i / (count - 1));
const megabytes = bytes => (bytes / 1e6).toFixed(1);

class KittenMixer extends HTMLElement {
  static observedAttributes = ["model", "a", "b", "lang", "steps", "path"];

  state = null; // what is shown: {a, b, model, steps, path, comparing}
  ready = null; // variant to the latents of both cats, of that state
  share = 0.5;
  playing = false;
  turn = 0; // of wishes: only the last one is shown
  photoTurn = 0;
  pending = false; // whether a frame is wanted; one is drawn at a time

  get language() {
    const asked = this.getAttribute("lang") || this.closest("[lang]")?.lang || document.documentElement.lang || navigator.language;
    return asked.slice(0, 2).toLowerCase() === "es" ? "es" : "en";
  }

  get words() {
    return words[this.language];
  }

  connectedCallback() {
    if (this.shadowRoot) return;
    this.attachShadow({mode: "open"}).append(document.createElement("slot"));
    const seen = new IntersectionObserver(entries => {
      if (!entries.some(entry => entry.isIntersecting)) return;
      seen.disconnect();
      this.start();
    }, {rootMargin: "800px"}); // a reader who never gets here loads nothing
    seen.observe(this);
  }

  attributeChangedCallback(key, before, now) {
    if (before === now || !this.state) return;
    if (key === "lang") return this.rebuild();
    const wish = readAttributes(this, this.manifest), value = wish[key];
    if (value !== this.state[key]) this.change({[key]: value});
  }

  async start() {
    try {
      const [manifest, styles] = await Promise.all([openManifest(), openStyles()]);
      this.manifest = manifest;
      this.shadowRoot.adoptedStyleSheets = [styles];
      const wish = readAttributes(this, this.manifest);
      this.build();
      await this.change(wish);
    } catch (error) {
      this.fail(error);
    }
  }

  build() {
    this.view = buildView(this.manifest, this.words, this.language, {
      play: () => this.setPlaying(!this.playing),
      slide: share => this.slide(share),
      model: model => this.change({model}),
      path: path => this.change({path}),
      steps: steps => this.change({steps}),
      compare: () => this.change({comparing: !this.state.comparing}),
      example: (side, name) => {
        this.photoTurn++;
        this.change({[side]: exampleCat(name)});
      },
      photo: (side, file) => this.usePhoto(side, file),
      surprise: () => this.surprise(),
      saveFace: () => this.save(() => saveFace(this.picture, fileName(this.state, Math.round(100 * this.share)))),
      saveStrip: () => this.save(async () => saveStrip(await this.frames(this.state.steps), fileName(this.state, "strip"))),
      saveGif: () => this.save(async () => saveGif(await this.frames(GIF_FRAMES), fileName(this.state, "morph"), share => this.say(fill(this.words.web_saving, {percent: Math.round(100 * share)})))),
    });
    this.shadowRoot.replaceChildren(this.view.root);
  }

  // In another language: the same state, new words.
  async rebuild() {
    const {state} = this;
    this.build();
    this.state = null;
    await this.change(state);
  }

  fail(error) {
    const known = asMixerError(error);
    console.warn("kitten-mixer:", known);
    this.state = this.ready = null;
    this.setPlaying(false);
    openStyles().then(styles => (this.shadowRoot.adoptedStyleSheets = [styles])).catch(() => {});
    this.shadowRoot.replaceChildren(failure(this.words, known, () => this.start()));
    this.dataset.state = known.kind;
  }

  // `quiet` is for those who cannot see that it is so
  say(text, quiet = false) {
    if (!this.view) return;
    this.view.status.textContent = text;
    this.view.status.classList.toggle("quiet", quiet || !text);
  }

  // Shows another state as soon as all of it is there; until then, the stage says what it waits for.
  async change(wish) {
    const next = {...(this.next ?? this.state), ...wish}, turn = ++this.turn, {view} = this;
    this.next = next;
    showChoices(view, next);
    const variants = next.comparing ? Object.keys(this.manifest.variants) : [next.model];
    const own = next.a.own || next.b.own;
    if (!this.state) this.showCats(next).catch(() => {}); // what comes first is seen first; who is missing is told of below
    const names = variants.flatMap(name => (own ? [`${name}/decoder`, `${name}/encoder`] : [`${name}/decoder`]));
    try {
      const ready = await this.waitFor(names, async () => {
        const pairs = await Promise.all(variants.map(name => Promise.all([next.a.openLatent(name), next.b.openLatent(name)])));
        await openNetworks(names);
        return new Map(variants.map((name, i) => [name, pairs[i]]));
      });
      const faces = await Promise.all([next.a.openFace(), next.b.openFace()]);
      if (turn !== this.turn) return;
      Object.assign(this, {state: next, next: null, ready, faces});
      showWaiting(view, null);
      showCells(view, this.manifest, next.comparing);
      this.draw();
      await this.showCats(next);
      await this.showFrames(turn);
      this.say(fill(this.words.web_shown, {model: next.comparing ? this.words.web_all : next.model, a: next.a.title(this.words), b: next.b.title(this.words)}), true);
      this.dataset.state = "ready";
      this.dispatchEvent(new CustomEvent("change", {detail: this.link()}));
      if (this.hasAttribute("offline")) this.keepForLater(next.model);
    } catch (error) {
      if (turn !== this.turn) return;
      this.next = null;
      if (!this.state) return this.fail(error);
      const known = asMixerError(error);
      console.warn("kitten-mixer:", known);
      showWaiting(view, null);
      showChoices(view, this.state);
      this.say(`${this.words[`web_${known.kind}`]} ${this.words.web_kept}`);
    }
  }

  // Does a thing that needs networks, and shows how much of them has come.
  async waitFor(names, act) {
    const {view, words} = this, total = await toFetch(names);
    const timer = setTimeout(() => showWaiting(view, words.web_starting), 60); // what is quick needs no veil
    const stop = total ? watchBytes(bytes => {
      clearTimeout(timer);
      const done = Math.min(bytes, total);
      showWaiting(view, done < total ? fill(words.web_loading, {done: megabytes(done), total: megabytes(total)}) : words.web_starting, done / total);
    }) : () => {};
    try {
      return await act();
    } finally {
      clearTimeout(timer);
      stop();
    }
  }

  async showCats(state) {
    for (const side of ["a", "b"]) {
      await showCat(this.view, side, state[side], cat => this.change({[side]: cat}), () => this.say(this.words.web_outside));
    }
  }

  async showFrames(turn) {
    const pictures = await this.frames(this.state.steps);
    if (turn !== this.turn) return;
    showGallery(this.view, pictures, share => {
      this.setPlaying(false);
      this.slide(share);
      this.view.slider.value = Math.round(100 * share);
    });
  }

  async frames(count) {
    const {model, path} = this.state, [a, b] = this.ready.get(model);
    return decode(model, shares(count).map(share => between(a, b, share, path)));
  }

  slide(share) {
    this.share = share;
    if (this.playing) this.setPlaying(false);
    this.draw();
  }

  setPlaying(on) {
    this.playing = on;
    this.before = performance.now();
    if (this.view && this.state) {
      showShare(this.view, this.share, on);
      this.draw();
    }
  }

  // As many frames as the screen shows and the decoder paints, never two at a time, and the last one is of the last wish.
  draw() {
    if (this.pending) {
      this.again = true;
      return;
    }
    this.pending = true;
    requestAnimationFrame(async now => {
      this.again = false;
      this.advance(now);
      try {
        await this.paintFrame();
      } catch (error) {
        if (this.state) this.fail(error);
      }
      this.pending = false;
      if (this.state && (this.again || this.playing)) this.draw();
    });
  }

  advance(now) {
    if (!this.playing) return;
    const step = Math.min(now - this.before, 100) / SWEEP_MS;
    this.before = now;
    this.direction ??= 1;
    this.share += step * this.direction;
    if (this.share >= 1 || this.share <= 0) this.direction = this.share >= 1 ? -1 : 1;
    this.share = Math.max(0, Math.min(1, this.share));
  }

  async paintFrame() {
    const {state, ready, share, view, faces} = this, pictures = new Map();
    if (!state) return;
    for (const name of state.comparing ? ready.keys() : [state.model]) {
      const [a, b] = ready.get(name);
      pictures.set(name, (await decode(name, [between(a, b, share, state.path)]))[0]);
    }
    if (ready !== this.ready || view !== this.view) return;
    this.picture = pictures.get(state.model);
    if (state.comparing) {
      for (const canvas of view.cells.querySelectorAll("canvas")) {
        paint(canvas, canvas.dataset.model ? pictures.get(canvas.dataset.model) : crossFade(...faces, share));
      }
    } else paint(view.stage, this.picture);
    showShare(view, share, this.playing);
    view.stage.setAttribute("aria-label", `${this.words.morph}: ${view.share.textContent}`);
    this.dispatchEvent(new CustomEvent("frame", {detail: {share, model: state.model}}));
  }

  async usePhoto(side, file) {
    const turn = ++this.photoTurn;
    try {
      const photo = await openPhoto(file), names = [...NETWORKS, `${(this.next ?? this.state).model}/encoder`];
      const faces = await this.waitFor(names, async () => {
        await openNetworks(names);
        showWaiting(this.view, this.words.web_looking);
        return findFaces(photo);
      });
      if (turn === this.photoTurn) await this.change({[side]: ownCat(photo, faces)});
    } catch (error) {
      if (turn !== this.photoTurn) return;
      showWaiting(this.view, null);
      const key = error instanceof PhotoError ? (error.reason === "unreadable" ? "web_unreadable" : error.reason) : `web_${asMixerError(error).kind}`;
      if (!(error instanceof PhotoError)) console.warn("kitten-mixer:", error);
      this.say(`${fill(this.words[key], {cat: side.toUpperCase()})} ${this.words.web_kept}`);
    }
  }

  surprise() {
    const cats = this.manifest.cats.filter(name => name !== this.state.a.name && name !== this.state.b.name);
    const [a, b] = cats.map(name => [Math.random(), name]).sort(([x], [y]) => x - y).map(([, name]) => exampleCat(name));
    if (b) this.change({a, b});
  }

  async save(make) {
    try {
      await make();
      this.say("");
    } catch (error) {
      console.warn("kitten-mixer:", error);
      this.say(this.words[`web_${asMixerError(error).kind}`]);
    }
  }

  // The attributes that show the same again.
  link() {
    return attributesOf(this.state);
  }

  // On a page of its own the mixer fetches what photos need too, so that all of it works without the network.
  async keepForLater(model) {
    if (navigator.connection?.saveData) return;
    try {
      await openNetworks([...NETWORKS, `${model}/encoder`]);
      this.dataset.offline = model;
    } catch (error) {
      console.warn("kitten-mixer:", error); // it is tried again when a photo needs it, and told then
    }
  }
}

if (!customElements.get("kitten-mixer")) customElements.define("kitten-mixer", KittenMixer);
