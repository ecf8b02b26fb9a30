// The networks, run by onnxruntime: latents to pictures, pictures to latents.

import {MixerError, asMixerError} from "../dom.js";
import {SIDE, fromPlanes, toPlanes} from "../draw.js";
import {openFile, openManifest, readTensors, sizeOf} from "./files.js";

const WASM = "onnxruntime-web/ort-wasm-simd-threaded.wasm.gz";

const made = new Map(); // what is loaded or loading, by name: two mixers on one page share it
/** @type {Promise<any>} */ let queue = Promise.resolve(); // a session runs one thing at a time

function share(name, make) {
  if (!made.has(name)) {
    made.set(name, make().catch(error => {
      made.delete(name); // the next one tries again
      throw asMixerError(error);
    }));
  }
  return made.get(name);
}

export const networkFiles = name => [`${name}.onnx`, `${name}.safetensors.gz`];

// What is to be fetched before `names` ("v6/decoder", "photos/finder") run, without what is here already.
export async function toFetch(names) {
  const files = made.has("runtime") ? [] : [WASM];
  for (const name of names) if (!made.has(name)) files.push(...networkFiles(name));
  return sizeOf(files);
}

// Tells how many bytes have come of all files that are on their way; one at a time may listen to each file.
const arrived = new Map(), listeners = new Set();

function note(file) {
  return bytes => {
    arrived.set(file, bytes);
    for (const listener of listeners) listener();
  };
}

export function watchBytes(listener) {
  const before = [...arrived.values()].reduce((a, b) => a + b, 0);
  const tell = () => listener([...arrived.values()].reduce((a, b) => a + b, 0) - before);
  listeners.add(tell);
  return () => listeners.delete(tell);
}

function openRuntime() {
  return share("runtime", async () => {
    if (typeof WebAssembly !== "object") throw new MixerError("unable", "no WebAssembly");
    const [ort, wasm] = await Promise.all([
      import("../onnxruntime-web/ort.wasm.bundle.min.js").catch(error => {
        throw new MixerError("missing", `onnxruntime: ${error.message}`, error);
      }),
      openFile(WASM, note(WASM)),
    ]);
    // more than one need headers that a blog's host does not send, and a static Space does
    ort.env.wasm.numThreads = self.crossOriginIsolated ? Math.min(4, navigator.hardwareConcurrency || 1) : 1;
    ort.env.wasm.wasmBinary = wasm;
    ort.env.logLevel = "error";
    return ort;
  });
}

function openNetwork(name) {
  return share(name, async () => {
    const [graphFile, weightsFile] = networkFiles(name);
    const [ort, graph, weights] = await Promise.all([
      openRuntime(), openFile(graphFile, note(graphFile)), openFile(weightsFile, note(weightsFile)),
    ]);
    const externalData = [...readTensors(weights, weightsFile)].map(([path, {values}]) => ({path, data: new Uint8Array(values.buffer)}));
    queue = queue.catch(() => {}).then(() => ort.InferenceSession.create(graph, {executionProviders: ["wasm"], externalData, graphOptimizationLevel: "disabled"}));
    return {ort, session: await queue};
  });
}

/** @param {string} name @param {Record<string, [Float32Array, number[]]>} inputs values and shape of each */
export async function run(name, inputs) {
  const {ort, session} = await openNetwork(name);
  const job = queue.catch(() => {}).then(async () => {
    try {
      const tensors = Object.entries(inputs).map(([key, [values, shape]]) => [key, new ort.Tensor("float32", values, shape)]);
      const {output} = await session.run(Object.fromEntries(tensors));
      return {values: output.data, shape: output.dims};
    } catch (error) {
      throw asMixerError(error);
    }
  });
  queue = job;
  return job;
}

export const openNetworks = names => Promise.all(names.map(openNetwork));

/** The networks of a variant by what they do; v7 has those of v6 and a painter.
 * @param {string} variant @returns {Promise<{encoder: string, decoder: string, painter?: string, latents: string}>} */
export async function networksOf(variant) {
  const {variants} = await openManifest();
  if (!Object.hasOwn(variants, variant)) throw new MixerError("missing", `${variant} was not exported`);
  return variants[variant].networks;
}

/** What there is to know of a variant's latents: those of the examples, by name, and where faces lie.
 * @param {string} variant */
export async function openLatents(variant) {
  const file = (await networksOf(variant)).latents;
  return share(file, async () => {
    const [manifest, bytes] = await Promise.all([openManifest(), openFile(file)]), tensors = readTensors(bytes, file);
    const {shape: [, length], values} = tensors.get("latents");
    return {
      cats: new Map(manifest.cats.map((cat, i) => [cat, values.subarray(i * length, (i + 1) * length)])),
      mean: tensors.get("mean")?.values, std: tensors.get("std")?.values,
    };
  });
}

/** Latents to pictures, RGBA of 64×64 each. @param {string} variant @param {Float32Array[]} latents */
export async function decode(variant, latents) {
  const {decoder, painter} = await networksOf(variant);
  const length = latents[0].length, all = new Float32Array(latents.length * length);
  latents.forEach((latent, i) => all.set(latent, i * length));
  let {values} = await run(decoder, {input: [all, [latents.length, length]]});
  if (painter) ({values} = await run(painter, {input: [values, [latents.length, 3, SIDE, SIDE]], latents: [all, [latents.length, length]]}));
  return latents.map((_, n) => fromPlanes(values, SIDE, 3 * n * SIDE * SIDE));
}

// A face, RGBA of 64×64, to its latents.
export async function encode(variant, face) {
  return (await run((await networksOf(variant)).encoder, {input: [toPlanes(face), [1, 3, SIDE, SIDE]]})).values;
}

// From a to b at the share t of b: a straight line, or an arc (Shoemake 1985, https://doi.org/10.1145/325165.325242).
export function between(a, b, t, path) {
  let left = 1 - t, right = t;
  if (path === "slerp") {
    let dot = 0, aa = 0, bb = 0;
    for (let i = 0; i < a.length; i++) {
      dot += a[i] * b[i];
      aa += a[i] * a[i];
      bb += b[i] * b[i];
    }
    const angle = Math.acos(Math.max(-1, Math.min(1, dot / Math.sqrt(aa * bb || 1)))), sine = Math.sin(angle);
    if (sine >= 1e-4 && aa && bb) [left, right] = [Math.sin((1 - t) * angle) / sine, Math.sin(t * angle) / sine];
  }
  return Float32Array.from(a, (value, i) => left * value + right * b[i]);
}
