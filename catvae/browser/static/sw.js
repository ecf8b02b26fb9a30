// The page without the network. Networks and wasm are kept by the mixer itself, here only what opens it.

const NAME = `kitten-mixer-page ${registration.scope} VERSION`;
const LARGE = /\.gz$|\.onnx$|\.safetensors$|LICENSE|Notices|README/;

self.addEventListener("install", event => {
  event.waitUntil((async () => {
    const {files} = await (await fetch("mixer.json", {cache: "no-cache"})).json();
    const small = Object.keys(files).filter(name => !LARGE.test(name) && !name.startsWith("cats/") && name !== "sw.js");
    const store = await caches.open(NAME);
    await store.addAll(["./", ...small].map(name => new Request(name, {cache: "no-cache"})));
    await skipWaiting();
  })());
});

self.addEventListener("activate", event => {
  event.waitUntil((async () => {
    for (const name of await caches.keys()) {
      if (name.startsWith(`kitten-mixer-page ${registration.scope} `) && name !== NAME) await caches.delete(name);
    }
    await clients.claim();
  })());
});

self.addEventListener("fetch", event => {
  const url = new URL(event.request.url);
  if (event.request.method !== "GET" || !url.href.startsWith(registration.scope) || url.searchParams.has("v")) return;
  event.respondWith((async () => {
    const store = await caches.open(NAME), page = event.request.mode === "navigate";
    const kept = await store.match(page ? "./" : event.request, {ignoreSearch: true});
    if (kept && !url.pathname.endsWith("mixer.json")) return kept;
    try {
      const response = await fetch(event.request);
      if (response.ok && url.pathname.includes("/cats/")) await store.put(event.request, response.clone());
      return response;
    } catch (error) {
      if (kept) return kept;
      throw error;
    }
  })());
});
