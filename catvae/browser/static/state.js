// What a mixer shows, as attributes say it: {a, b, model, steps, path, comparing}.

import {exampleCat} from "./cats.js";

// What an element's attributes ask for; what they leave open or get wrong is as the export has it.
export function readAttributes(element, {cats, variants, first, steps: range}) {
  const read = key => element.getAttribute(key), steps = Number(read("steps"));
  const cat = key => exampleCat([read(key), first[key]].find(name => cats.includes(name)) ?? cats[0]);
  return {
    a: cat("a"), b: cat("b"), model: read("model") in variants ? read("model") : first.model,
    steps: Number.isInteger(steps) && steps >= range.min && steps <= range.max ? steps : range.first,
    path: read("path") === "slerp" ? "slerp" : "lerp", comparing: element.hasAttribute("compare"),
  };
}

// The attributes that show a state again; photos stay where they are.
export function attributesOf({a, b, model, steps, path}) {
  return Object.fromEntries(Object.entries({a: a.name, b: b.name, model, steps, path}).filter(([, value]) => value !== null));
}

export const fileName = ({a, b, model}, end) => [a.name ?? "my-cat", b.name ?? "my-cat", model, end].join("-");
