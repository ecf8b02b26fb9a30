// What is written beside the modules where they are served or exported.
declare module "*/words.js" {
  const words: Record<string, Record<string, string>>;
  export default words;
  export const engine: string;
}
declare module "*.esm.js";
declare module "*.min.js";
