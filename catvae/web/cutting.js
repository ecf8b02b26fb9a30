// The dialogue with a cat's photo and the square on it. What was not said to be done is undone when it closes.

import {cut} from "./bring.js";
import {describe} from "./cats.js";
import {fill, h, say} from "./dom.js";
import {squareTool} from "./square.js";

const PAUSE_MS = 250; // when the hand rests it is cut: each cut draws a mix

/** @param {any} card of a cat that has a photo */
export function openCutting(card) {
  const {words, store, side, title, root} = card, before = store.choice[side], over = new AbortController();
  if (root.querySelector(".cutting")) return;
  const named = (/** @type {string} */ key) => fill(words[key], {cat: title});
  let pause = 0, isDone = false;

  const note = h("p", {className: "note", role: "status"}), refusal = h("p", {className: "refusal", role: "alert"});
  const tool = squareTool(named("square_of"), named("photo_of"), named("cut_of"), square => {
    clearTimeout(pause);
    pause = setTimeout(() => {
      pause = 0;
      cut(store, side, square);
    }, PAUSE_MS);
    say(note, words.face_by_hand);
  });

  /** @param {number} number 0 is the whole picture */
  function cutFace(number) {
    const {photo} = store.choice[side];
    if (!photo) return;
    clearTimeout(pause);
    pause = 0;
    const square = number ? photo.faces[number - 1] : photo.whole;
    tool.show(photo.picture, square);
    cut(store, side, square, number);
  }

  const next = h("button", {type: "button", className: "next", onclick: () => {
    const {number, photo} = store.choice[side];
    cutFace(((number ?? 0) % (photo?.faces.length ?? 1)) + 1);
  }});
  const whole = h("button", {type: "button", className: "whole", onclick: () => cutFace(0)}, words.whole);
  const cancel = h("button", {type: "button", className: "cancel", onclick: () => dialog.close()}, words.cancel);
  const done = h("button", {type: "button", className: "done main", onclick: () => {
    isDone = true;
    dialog.close();
  }}, words.done);
  const dialog = card.dialog("cutting", named("adjust_cat"), [h("div", {className: "bench"}, tool.stage,
    h("div", {className: "side"}, tool.preview, note, h("div", {className: "choices"}, next, whole), refusal,
      h("p", {className: "keys"}, words.square_keys))), h("div", {className: "choices last"}, cancel, done)], () => {
    over.abort();
    dialog.remove();
    clearTimeout(pause);
    if (isDone && pause) cut(store, side, tool.square);
    else if (!isDone && before !== store.choice[side]) {
      store.turns[side]++;
      store.change({[side]: before});
    }
  });

  function render() {
    const cat = store.choice[side], faces = cat.photo?.faces.length;
    say(note, describe(cat, words));
    say(next, faces === 1 ? words.found_face : words.next_face);
    next.hidden = !faces;
    say(refusal, store.sides[side].refusal);
    refusal.hidden = !refusal.textContent;
  }
  for (const kind of ["choice", "status", "shown"]) store.addEventListener(kind, render, {signal: over.signal});
  render();
  root.append(dialog);
  dialog.showModal();
  tool.show(before.photo.picture, before.square);
  tool.frame.focus();
}
