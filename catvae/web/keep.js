// What a visitor has chosen, kept in this browser for this tab: photos outlive a reload. Where storage is refused,
// as in frames of other sites, nothing is kept and nothing breaks.

import {recut} from "./bring.js";
import {toBlob} from "./draw.js";

const BASE = "kitten-mixer", TABLE = "tabs", HOURS = 12; // no photo lies here longer

/** This tab's own name; null where there is nowhere to note it. */
function tabName() {
  try {
    const name = sessionStorage.getItem(BASE) ?? `${Date.now()}-${Math.random().toString(36).slice(2)}`;
    sessionStorage.setItem(BASE, name);
    return name;
  } catch {
    return null; // refused
  }
}

/** @template T @param {IDBRequest<T>} request @returns {Promise<T>} */
const done = request => new Promise((resolve, reject) => {
  request.onsuccess = () => resolve(request.result);
  request.onerror = () => reject(request.error);
});

/** @template T @param {(table: IDBObjectStore) => Promise<T>} act @returns {Promise<T | null>} */
async function inTable(act) {
  try {
    const request = indexedDB.open(BASE, 1);
    request.onupgradeneeded = () => request.result.createObjectStore(TABLE);
    const base = await done(request);
    try {
      return await act(base.transaction(TABLE, "readwrite").objectStore(TABLE));
    } finally {
      base.close();
    }
  } catch {
    return null;
  }
}

const keyOf = (/** @type {string} */ tab) => `${tab} ${location.pathname}`;

/** What this tab had on this page before it was loaded again; null if nothing: who follows a link gets what it names.
 * Of other tabs, what is old goes. */
export async function recall() {
  const tab = tabName(), [{type}] = /** @type {any[]} */ (performance.getEntriesByType("navigation"));
  if (!tab || type === "navigate") return null;
  return inTable(async table => {
    const kept = await done(table.get(keyOf(tab)));
    for (const key of await done(table.getAllKeys())) {
      if (Date.now() - Number(String(key).split("-")[0]) > HOURS * 3_600_000) table.delete(key);
    }
    return kept ?? null;
  });
}

/** @param {import("./state.js").State} state */
export async function keepState({a, b, ...rest}) {
  const tab = tabName(), cats = /** @type {Record<string, any>} */ ({});
  if (!tab) return;
  for (const [side, cat] of Object.entries({a, b})) {
    if (cat.name) continue;
    const {kind, called, number, square, byHand} = cat, file = cat.photo?.file ?? await toBlob(cat.face);
    cats[side] = {file, kind, called, number, square, byHand};
  }
  const choice = {...rest, a: a.name, b: b.name, "name-a": a.name && a.called, "name-b": b.name && b.called};
  await inTable(table => done(table.put({choice, cats}, keyOf(tab))));
}

/** The visitor's own cats, as they were kept. @param {any} engine @param {Record<string, any>} cats
 * @returns {Promise<Partial<import("./state.js").State>>} */
export async function restoreCats(engine, cats) {
  const restored = /** @type {Record<string, any>} */ ({});
  await Promise.all(Object.entries(cats).map(async ([side, {file, kind, called, number, square, byHand}]) => {
    try {
      const cat = await engine.findFaces(file);
      if (cat.photo && byHand) Object.assign(cat, {...await engine.cut(cat.photo, square), square, byHand, number});
      else if (cat.photo && number !== cat.number) await recut(engine, cat, number);
      restored[side] = {...cat, kind, called};
    } catch (error) {
      console.warn("kitten-mixer:", error);
    }
  }));
  return restored;
}
