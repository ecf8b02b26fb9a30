// The page without the network. Networks and wasm are kept by the mixer itself, here only what opens it.
// Whatever else lies below this folder is none of its business.

const OURS = `kitten-mixer-shell ${registration.scope} `, NAME = `${OURS}VERSION`;
const EARLIER = `kitten-mixer-page ${registration.scope} `; // of a worker that answered every page below this folder
const LARGE = /\.gz$|\.onnx$|\.safetensors$|\.jpg$|LICENSE|Notices|README/;
const PAGES = ["", "index.html"].map(name => new URL(name, registration.scope).href);

const addressOf = (/** @type {string} */ url) => url.split(/[?#]/)[0];

self.addEventListener("install", event => {
  event.waitUntil((async () => {
    const {files} = await (await fetch("mixer.json", {cache: "no-cache"})).json();
    const small = Object.keys(files).filter(name => !LARGE.test(name) && !name.startsWith("cats/") && name !== "sw.js");
    const store = await caches.open(NAME), sprite = `cats.webp?v=${files["cats.webp"].hash}`;
    await store.addAll(["./", sprite, ...small].map(name => new Request(name, {cache: "no-cache"})));
    await skipWaiting();
  })());
});

self.addEventListener("activate", event => {
  event.waitUntil((async () => {
    const names = await caches.keys(), earlier = names.some(name => name.startsWith(EARLIER));
    for (const name of names) if (name !== NAME && (name.startsWith(OURS) || name.startsWith(EARLIER))) await caches.delete(name);
    await clients.claim();
    for (const client of !earlier ? [] : await clients.matchAll({type: "window"})) {
      // not waited for: a page is answered only when the worker has been activated
      if (!PAGES.includes(addressOf(client.url))) client.navigate(client.url).catch(() => {});
    }
  })());
});

self.addEventListener("fetch", event => {
  const {request} = event, page = request.mode === "navigate", address = addressOf(request.url);
  if (request.method !== "GET" || !address.startsWith(registration.scope) || (page && !PAGES.includes(address))) return;
  event.respondWith((async () => {
    const store = await caches.open(NAME);
    const kept = await store.match(page ? "./" : request, {ignoreSearch: !page && !new URL(request.url).searchParams.has("v")});
    if (kept && !address.endsWith("mixer.json")) return kept;
    try {
      return await fetch(request);
    } catch (error) {
      if (kept) return kept;
      throw error;
    }
  })());
});
