// The one address to change: a Space's is https://OWNER-NAME.hf.space
let app = "http://127.0.0.1:7860";
// and where the mixer that needs no server lies: python -m catvae export-web examples/blog/mixer
const mixer = "mixer";

// ?app=ADDRESS and ?theme=light|dark try the post out; the first on this machine only, as the address's script runs here
const asked = new URLSearchParams(location.search);
if (["", "localhost", "127.0.0.1"].includes(location.hostname) && asked.has("app")) app = asked.get("app").replace(/\/$/, "");
const theme = asked.get("theme") ?? (matchMedia("(prefers-color-scheme: dark)").matches ? "dark" : "light");
document.documentElement.dataset.theme = theme;

for (const frame of document.querySelectorAll("iframe")) {
    frame.src = `${app}/embed?${frame.dataset.embed}&lang=${document.documentElement.lang}&theme=${theme}`;
}
document.querySelector("[data-app]").href = app;

// the web component, by the script that the app itself runs on, so that it fits the app and needs no other server
async function showApp() {
    const component = document.querySelector("gradio-app");
    component.setAttribute("theme_mode", theme);
    component.setAttribute("src", app);
    const page = await (await fetch(`${app}/`)).text();
    await import(`${app}/${page.match(/assets\/index-[\w-]+\.js/)[0]}`);
}
showApp().catch(() => document.querySelector(".app").remove());

// without it the still picture stays, and nothing asks to be dragged
import(new URL(`${mixer}/kitten-mixer.js`, location.href).href)
    .catch(() => document.querySelector("kitten-mixer + figcaption").remove());
