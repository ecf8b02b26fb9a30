// Files of the folder this module lies in: fetched once, unpacked, checked, kept for the next visit.

import {MixerError, base, once} from "../dom.js";

const STORE = `kitten-mixer ${base.href}`, SHARED = "kitten-mixer"; // earlier exports of a site shared one

async function openStore() {
  try {
    return await caches.open(STORE);
  } catch {
    return null; // not a secure address, or storage is off: the browser's own cache has to do
  }
}

async function ask(url, options) {
  let response;
  try {
    response = await fetch(url, options);
  } catch (error) {
    throw new MixerError("missing", `${url}: ${error.message}`, error);
  }
  if (!response.ok) throw new MixerError("missing", `${url}: ${response.status}`);
  return response;
}

// mixer.json: what there is to load. Without the network, the one of the last visit.
export const openManifest = once(async () => {
  const url = new URL("mixer.json", base), store = await openStore();
  let response;
  try {
    response = await ask(url, {cache: "no-cache"});
  } catch (error) {
    response = await store?.match(url);
    if (!response) throw error;
  }
  const copy = response.clone();
  let manifest;
  try {
    manifest = await response.json();
    if (!manifest.files || !manifest.variants) throw new Error("not a manifest");
  } catch (error) {
    throw new MixerError("broken", `${url}: ${error.message}`, error);
  }
  await store?.put(url, copy).then(() => forget(store, manifest)).catch(() => {}); // a full disk is no reason to stop
  return manifest;
});

function addressOf(name, manifest) {
  const url = new URL(name, base);
  url.searchParams.set("v", manifest.files[name].hash);
  return url;
}

// Files of an older export of this folder are of no more use; those of folders below it are not ours.
async function forget(store, manifest) {
  const wanted = new Set(Object.keys(manifest.files).map(name => addressOf(name, manifest).href));
  for (const {url} of await store.keys()) if (new URL(url).searchParams.has("v") && !wanted.has(url)) await store.delete(url);
  if (!(await caches.has(SHARED))) return;
  const shared = await caches.open(SHARED);
  for (const {url} of await shared.keys()) {
    if (url.startsWith(base.href) && Object.hasOwn(manifest.files, url.slice(base.href.length).split("?")[0])) await shared.delete(url);
  }
  if (!(await shared.keys()).length) await caches.delete(SHARED);
}

export async function unpack(bytes, name) {
  if (bytes[0] !== 0x1f || bytes[1] !== 0x8b) return bytes; // plain, or a server that says so has unpacked it
  if (typeof DecompressionStream === "undefined") throw new MixerError("unable", "no DecompressionStream");
  try {
    const stream = new Blob([bytes]).stream().pipeThrough(new DecompressionStream("gzip"));
    return new Uint8Array(await new Response(stream).arrayBuffer());
  } catch (error) {
    throw new MixerError("broken", `${name}: ${error.message}`, error);
  }
}

async function read(response, total, onBytes) {
  let length = 0;
  const counting = new TransformStream({transform(part, on) {
    onBytes(Math.min((length += part.length), total));
    on.enqueue(part);
  }});
  const content = new Response(response.body.pipeThrough(counting)).arrayBuffer();
  return new Uint8Array(await content.catch(error => {
    throw new MixerError("missing", `${response.url}: ${error.message}`, error); // the line broke off
  }));
}

// The bytes of a file, unpacked. `onBytes` is told how many have come, of what `sizeOf` says.
export async function openFile(name, onBytes = () => {}) {
  const manifest = await openManifest();
  if (!manifest.files[name]) throw new MixerError("missing", `${name} was not exported`);
  const url = addressOf(name, manifest), total = manifest.files[name].bytes, store = await openStore();
  const kept = await store?.match(url);
  if (kept) {
    try {
      return await unpack(await read(kept, total, onBytes), name);
    } catch {
      await store?.delete(url); // once more, from where it came
    }
  }
  const bytes = await read(await ask(url), total, onBytes), content = await unpack(bytes, name);
  if (!name.endsWith(".gz") && bytes.length !== total) { // gzip has a checksum of its own
    throw new MixerError("broken", `${name}: ${bytes.length} bytes, not ${total}`);
  }
  await store?.put(url, new Response(bytes)).catch(() => {});
  return content;
}

export async function sizeOf(names) {
  const manifest = await openManifest();
  return names.reduce((sum, name) => sum + (manifest.files[name]?.bytes ?? 0), 0);
}

const KINDS = {F32: Float32Array, F16: Uint16Array, I8: Int8Array};

// A safetensors file: name to {shape, values}, values in float32; int8 is multiplied by its scale.
export function readTensors(bytes, name) {
  try {
    const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
    const start = 8 + Number(view.getBigUint64(0, true));
    const header = JSON.parse(new TextDecoder().decode(bytes.subarray(8, start)));
    const raw = key => {
      const {dtype, shape, data_offsets: [from, to]} = header[key];
      if (start + to > bytes.length) throw new Error(`${key} is cut off`);
      const content = bytes.slice(start + from, start + to).buffer;
      return {shape, values: new KINDS[dtype](content)};
    };
    const tensors = new Map();
    for (const key of Object.keys(header)) {
      if (key === "__metadata__" || key.endsWith(".scale")) continue;
      const {shape, values} = raw(key);
      if (values instanceof Uint16Array) tensors.set(key, {shape, values: halves(values)});
      else if (values instanceof Int8Array) tensors.set(key, {shape, values: scaled(values, shape, raw(`${key}.scale`))});
      else tensors.set(key, {shape, values});
    }
    return tensors;
  } catch (error) {
    if (error instanceof RangeError && /allocation/i.test(error.message)) throw error;
    throw new MixerError("broken", `${name}: ${error.message}`, error);
  }
}

function scaled(values, shape, scale) {
  const axis = scale.shape.findIndex(length => length > 1), channels = scale.values.length;
  const inner = axis < 0 ? values.length : shape.slice(axis + 1).reduce((a, b) => a * b, 1);
  const result = new Float32Array(values.length);
  for (let i = 0, channel = 0; i < values.length; channel = (channel + 1) % channels) {
    for (const end = i + inner, factor = scale.values[channel]; i < end; i++) result[i] = values[i] * factor;
  }
  return result;
}

let halfTable = null;

function halves(values) {
  halfTable ??= Float32Array.from({length: 65536}, (_, bits) => {
    const sign = bits & 0x8000 ? -1 : 1, exponent = (bits >> 10) & 31, fraction = bits & 1023;
    if (exponent === 31) return fraction ? NaN : sign * Infinity;
    return sign * (exponent ? 2 ** (exponent - 15) * (1 + fraction / 1024) : 2 ** -14 * (fraction / 1024));
  });
  const result = new Float32Array(values.length);
  for (let i = 0; i < values.length; i++) result[i] = halfTable[values[i]];
  return result;
}
