// What a visitor has chosen, kept in this browser for this tab: photos outlive a reload. Where storage is refused,
// as in frames of other sites, nothing is kept and nothing breaks.

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

/** @param {any} what */
export async function keep(what) {
  const tab = tabName();
  if (tab) await inTable(table => done(table.put(what, keyOf(tab))));
}
