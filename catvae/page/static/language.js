// Read before Gradio's script, which takes its words, and ours, in the language that the browser names.
const asked = new URLSearchParams(location.search).get('lang');
if (LANGUAGES.includes(asked)) Object.defineProperty(navigator, 'language', {get: () => asked});
