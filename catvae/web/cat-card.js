// <kitten-cat side="a">: the card of one cat, with ways to bring a photo, the square on it, and the examples.

import {bringPhoto, chooseExample, nameCat, openPhoto} from "./bring.js";
import {LONGEST, describe, kindOf, nameOf, titleOf} from "./cats.js";
import {drawing, fill, h, rove, say, sentenceOf} from "./dom.js";
import {newCanvas, paint, toBlob} from "./draw.js";
import {faceOf} from "./full.js";
import {Part, define} from "./part.js";
import {shelfOf, tileOf} from "./shelf.js";

const FACE = 512, TILE = 44, GAP = 4; // pixels of an example in the strip
const CAMERA = ["M3 7h4l2-3h6l2 3h4v13H3z", "M12 9a4 4 0 1 0 0 8a4 4 0 1 0 0-8"];
const PENCIL = ["M4 20l1-5L16 4l4 4L9 19z", "M13 7l4 4"];
const BOARD = ["M8 4H5v17h14V4h-3M8 2h8v4H8zM9 11h6M9 15h6"];

/** @param {DataTransfer | null} data */
const imageOf = data => [...(data?.files ?? [])].find(file => file.type.startsWith("image/") || !file.type) ?? data?.files?.[0];

class CatCard extends Part {
  /** @type {import("./cats.js").Cat | null} whose name is being written */ named = null;

  /** @returns {"a" | "b"} */
  get side() {
    return this.getAttribute("side") === "b" ? "b" : "a";
  }

  get cat() {
    return this.store.choice[this.side];
  }

  get title() {
    return this.words[`cat_${this.side}`];
  }

  build() {
    const {words, title: cat, parts, store, side} = this, named = (/** @type {string} */ key, /** @type {any} */ more = {}) => fill(words[key], {cat, ...more});
    parts.who = h("strong", {className: "who"}, cat);
    parts.dot = h("span");
    parts.kind = h("span", {className: "kind"});
    parts.note = h("span", {className: "note", role: "status"});
    parts.rename = h("button", {type: "button", className: "rename", "aria-label": named("name_cat"), title: named("name_cat"), onclick: () => this.rename(true)}, drawing("0 0 24 24", PENCIL));
    parts.name = h("input", {className: "name", maxLength: LONGEST, hidden: true, "aria-label": named("name_cat"), autocomplete: "off", enterKeyHint: "done",
      onblur: () => this.rename(false), onkeydown: (/** @type {KeyboardEvent} */ event) => {
        if (event.key === "Escape") parts.name.value = this.cat.called ?? "";
        if (event.key !== "Escape" && event.key !== "Enter") return;
        event.preventDefault(); // else Enter presses the button too
        this.rename(false);
        parts.rename.focus();
      }});
    parts.about = h("p", {className: "about"}, parts.who, parts.dot, parts.kind, " ", parts.note, parts.name, parts.rename);
    Object.assign(parts, {face: newCanvas(FACE, {role: "img"}), shown: null, marked: undefined});
    parts.adjust = h("button", {type: "button", className: "adjust", "aria-label": named("adjust_cat"), onclick: () => this.adjust()}, words.adjust_short);
    parts.waiting = h("span", {className: "waiting", role: "status"});
    parts.refusals = [0, 1].map(() => h("p", {className: "refusal", role: "alert", hidden: true}));
    parts.file = h("input", {type: "file", accept: "image/*,.heic,.heif,.hif,.avif,.tif,.tiff", tabIndex: -1, hidden: true, onchange: () => {
      if (parts.file.files[0]) bringPhoto(store, side, parts.file.files[0]);
      parts.file.value = ""; // else the same file would be no change
    }});
    const phone = matchMedia("(pointer: coarse)").matches; // the file dialogue has its camera
    const tools = h("div", {className: "own", role: "toolbar", "aria-label": named("own_of")},
      h("button", {type: "button", className: "use", "aria-label": named("web_own_as"), onclick: () => parts.file.click()}, words.web_own),
      h("button", {type: "button", className: "shoot", "aria-label": named("camera_as"), title: named("camera_as"), hidden: phone || !navigator.mediaDevices, onclick: () => this.shoot()}, drawing("0 0 24 24", CAMERA)),
      h("button", {type: "button", className: "paste", "aria-label": named("paste_as"), title: named("paste_as"), hidden: !navigator.clipboard?.read, onclick: () => this.paste()}, drawing("0 0 24 24", BOARD)), parts.file);
    rove(tools);
    parts.strip = h("div", {className: "strip", role: "toolbar", "aria-label": named("examples_of")});
    parts.card = h("section", {className: "card", "aria-label": cat},
      parts.about,
      h("div", {className: "seen"}, h("div", {className: "face"}, parts.face, parts.waiting), parts.refusals[0]),
      tools, parts.adjust, parts.strip);
    parts.face.addEventListener("click", () => !parts.adjust.hidden && this.adjust());
    const choose = (/** @type {string} */ name) => chooseExample(store, side, name);
    parts.shelf = shelfOf(this, cat, choose);
    this.buildWebcam(named);
    this.fillStrip(named, choose);
    this.takeDrops();
    return [parts.card, parts.shelf, parts.webcam];
  }

  /** A name is written where it is read. @param {boolean} on */
  rename(on) {
    const {name, about} = this.parts;
    if (on === !name.hidden) return;
    name.hidden = !on;
    about.classList.toggle("naming", on);
    if (!on) return this.named === this.cat && name.value.trim() !== (this.cat.called ?? "") && nameCat(this.store, this.side, name.value);
    this.named = this.cat; // another one may come meanwhile
    name.value = this.cat.called ?? "";
    name.placeholder = titleOf(this.cat, this.words);
    name.focus();
  }

  /** As many as one row holds, the chosen one among them, and a button that says how many more there are.
   * @param {any} named @param {(name: string) => void} choose */
  fillStrip(named, choose) {
    const {parts, store} = this, {cats} = store.manifest, {strip} = parts;
    const more = h("button", {type: "button", className: "more", onclick: () => parts.shelf.showModal()});
    strip.append(...cats.map((/** @type {string} */ name) => tileOf(this, this.title, name, choose)), more);
    const reach = rove(strip);
    const fit = () => {
      const tiles = /** @type {any[]} */ ([...strip.children].slice(0, -1)), fits = Math.max(1, Math.floor((strip.clientWidth + GAP) / (TILE + GAP)) - 1);
      const chosen = tiles.findIndex(button => button.ariaPressed === "true"), last = chosen < fits ? fits - 1 : chosen;
      tiles.forEach((button, i) => (button.hidden = i >= fits - 1 && i !== last));
      say(more, `+${Math.max(0, cats.length - fits)}`);
      more.hidden = fits >= cats.length;
      more.setAttribute("aria-label", `${more.textContent}: ${named("all_cats_as", {count: cats.length})}`);
      reach();
    };
    parts.fit = fit;
    this.sizes?.disconnect();
    this.sizes = new ResizeObserver(fit);
    this.sizes.observe(strip);
  }

  async adjust() {
    const {store, side, words} = this;
    if (!this.cat.photo && !(await openPhoto(store, side))) return;
    if (!this.cat.photo) return;
    this.refuse("");
    const module = await import("./cutting.js").catch(error => this.refuse(sentenceOf(error, words)));
    module?.openCutting(this);
  }

  /** @param {any} named */
  buildWebcam(named) {
    const {words, parts, store, side} = this;
    parts.video = h("video", {autoplay: true, muted: true, playsInline: true});
    parts.webcam = this.dialog("webcam", named("camera_as"), [parts.video, parts.refusals[1], h("button", {type: "button", className: "take main", onclick: () => {
      const canvas = newCanvas(parts.video.videoWidth, {height: parts.video.videoHeight});
      if (!canvas.width) return;
      paint(canvas, parts.video);
      const taken = toBlob(canvas, "image/jpeg", 0.95);
      taken.then(blob => bringPhoto(store, side, new File([blob], "webcam.jpg", {type: "image/jpeg"})), error => this.refuse(sentenceOf(error, words)));
      parts.webcam.close();
    }}, words.camera_take)], () => this.stopCamera());
  }

  async shoot() {
    const {parts} = this;
    this.refuse("");
    parts.webcam.showModal();
    try {
      parts.video.srcObject = await navigator.mediaDevices.getUserMedia({video: {width: {ideal: 1280}, height: {ideal: 960}}});
      if (!parts.webcam.open) this.stopCamera();
    } catch {
      this.refuse(this.words.camera_none);
    }
  }

  stopCamera() {
    const {video} = this.parts;
    for (const track of video.srcObject?.getTracks() ?? []) track.stop();
    video.srcObject = null;
  }

  async paste() {
    try {
      for (const item of await navigator.clipboard.read()) {
        const type = item.types.find(type => type.startsWith("image/"));
        if (type) return void bringPhoto(this.store, this.side, await item.getType(type));
      }
    } catch {} // it was not allowed: said below
    this.refuse(this.words.paste_none);
  }

  takeDrops() {
    const {card} = this.parts, over = (/** @type {boolean} */ on) => card.classList.toggle("over", on);
    for (const kind of ["dragenter", "dragover"]) card.addEventListener(kind, (/** @type {Event} */ event) => {
      event.preventDefault();
      over(true);
    });
    card.addEventListener("dragleave", (/** @type {any} */ event) => card.contains(event.relatedTarget) || over(false));
    card.addEventListener("drop", (/** @type {DragEvent} */ event) => {
      event.preventDefault();
      over(false);
      const file = imageOf(event.dataTransfer);
      if (file) bringPhoto(this.store, this.side, file);
    });
  }

  listen() {
    const signal = this.gone?.signal;
    for (const kind of ["choice", "status", "shown"]) this.on(kind, () => this.render());
    // pasted where the pointer or the focus is; elsewhere it is cat A's
    document.addEventListener("paste", event => {
      const image = imageOf(event.clipboardData), [target] = event.composedPath();
      if (!image || /^(input|textarea)$/i.test(/** @type {any} */ (target).tagName ?? "") || !this.offsetParent) return;
      const cards = /** @type {Element[]} */ ([.../** @type {any} */ (this.getRootNode()).querySelectorAll("kitten-cat")]);
      const meant = cards.find(card => card.matches(":focus-within")) ?? cards.find(card => card.matches(":hover")) ?? cards[0];
      if (meant === this) bringPhoto(this.store, this.side, image);
    }, {signal});
    // a photo dropped beside a card does not take the place of the page
    for (const kind of ["dragover", "drop"]) document.addEventListener(kind, event => {
      if (/** @type {any} */ (event).dataTransfer?.types.includes("Files")) event.preventDefault();
    }, {signal});
  }

  /** @param {string} message */
  refuse(message) {
    this.store.sides[this.side].refusal = message;
    this.render();
  }

  render() {
    const {cat, words, parts, store, side} = this, {busy, looking, refusal} = store.sides[side];
    const kind = kindOf(cat, words), note = describe(cat, words), title = cat.called || (cat.name ? nameOf(cat.name, words) : "");
    const quiet = cat.name && cat.number === 1 && !cat.byHand; // one of both: a phone has two lines
    say(parts.note, quiet ? "" : note);
    const told = note && !quiet ? (cat.called ?? "") : [title, kind].filter(Boolean).join(", ");
    say(parts.kind, told);
    say(parts.dot, told || note ? " · " : " ");
    const face = faceOf(store, side);
    if (parts.shown !== face) paint(parts.face, (parts.shown = face));
    parts.about.title = parts.about.textContent;
    parts.face.setAttribute("aria-label", [this.title, title, kind].filter(Boolean).join(", "));
    parts.adjust.hidden = !cat.photo && !(cat.name && store.manifest.photos.includes(cat.name));
    parts.card.classList.toggle("has-photo", !parts.adjust.hidden);
    parts.card.classList.toggle("waits", busy);
    this.toggleAttribute("busy", busy);
    say(parts.waiting, looking && !this.root.querySelector(".cutting") ? words.web_looking : "");
    for (const place of parts.refusals) {
      say(place, refusal);
      place.hidden = !refusal;
    }
    const mark = cat.name ?? cat.photo?.name ?? null;
    if (parts.marked !== mark) {
      parts.marked = mark;
      for (const button of this.root.querySelectorAll("button[data-cat]")) button.setAttribute("aria-pressed", String(button.getAttribute("data-cat") === mark));
      parts.fit();
    }
  }
}

define({"kitten-cat": CatCard});
