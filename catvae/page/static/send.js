// Sending and saving what the page shows. Animations come from the server, all else is made here.
const MIME = {gif: 'image/gif', webp: 'image/webp', mp4: 'video/mp4', png: 'image/png', jpg: 'image/jpeg'};
const made = new Map();  // animations of what is shown, by kind
let making = null, waiting = null;  // the button that was pressed; who waits for the server

function address(link) {  // of the mix, or of the app
  const page = element.closest('gradio-app')?.getAttribute('src') ?? location.pathname;
  const url = new URL(link, new URL(page, location.href)), lang = new URLSearchParams(location.search).get('lang');
  if (!link) url.search = url.hash = '';
  if (['en', 'es'].includes(lang)) url.searchParams.set('lang', lang);
  return url.href;
}
const say = text => { element.querySelector('.send .note').textContent = text; };
function setMaking(button) {  // again after a redrawing, which knows nothing of it
  making = button;
  for (const each of element.querySelectorAll('.send button')) {
    const name = each.dataset.save ?? 'send';
    each.dataset.label ??= each.textContent;
    each.disabled = Boolean(making);
    each.toggleAttribute('aria-busy', name === making);
    if (name === making) each.setAttribute('aria-busy', 'true');
    each.textContent = name === making ? told().words.making : each.dataset.label;
  }
}
function enlarge(pictures, side) {
  const canvas = document.createElement('canvas'), pen = canvas.getContext('2d');
  canvas.width = side * pictures.length;
  canvas.height = side;
  pen.imageSmoothingQuality = 'high';
  pictures.forEach((picture, i) => pen.drawImage(picture, i * side, 0, side, side));
  return canvas;
}
const inFile = (canvas, name, kind) => new Promise((resolve, reject) => canvas.toBlob(
  blob => blob ? resolve(new File([blob], `${name}.${kind}`, {type: MIME[kind]})) : reject(new Error('no memory')), MIME[kind], 0.92));
const ask = kind => new Promise(resolve => { waiting = resolve; trigger('click', {kind}); });  // null: refused
async function animate(name, kind) {
  if (!made.has(kind)) {
    const shown = props.value;
    let file = null;
    for (let seconds = 1; !(file = await ask(kind)); seconds *= 2) {  // busy: soon again
      if (seconds > 4) throw new Error('the server did not make it');
      await new Promise(resolve => setTimeout(resolve, 1000 * seconds));
    }
    const bytes = Uint8Array.from(atob(file.split(',')[1]), letter => letter.charCodeAt(0));
    const whole = new File([bytes], `${name}.${kind}`, {type: MIME[kind]});
    if (shown !== props.value) return whole;
    made.set(kind, whole);
  }
  return made.get(kind);
}
async function makeFile(kind, button) {
  const {file: name, link, ...words} = told(), slider = morphView().querySelector('input');
  const share = slider.value / 1000, side = Number(element.querySelector('.send select').value);
  if (kind === 'frame') {
    const frame = button.parentElement.querySelector('img'), {share} = button.parentElement.querySelector('.show').dataset;
    return inFile(enlarge([frame], side), `${name}-${percent(share)}`, 'png');
  }
  if (kind === 'face') return inFile(enlarge([morphView().querySelector('canvas')], side), `${name}-${percent(share)}`, 'png');
  if (kind === 'png') return inFile(enlarge([...element.querySelectorAll('.show img')], 256), `${name}-strip`, 'png');
  if (kind === 'card') {
    return inFile(drawCard(words, share, address(link).replace(/^https?:\/\//, '')), `${name}-${percent(share)}-card`, 'jpg');
  }
  return animate(name, kind);
}
function download(file, how = 'saved') {
  const link = document.createElement('a');
  link.href = URL.createObjectURL(file);
  link.download = file.name;
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), 60000);
  say(told().words[how].replace('{name}', file.name));
}
const shares = kind => navigator.canShare?.({files: [new File(['?'], `cat.${kind}`, {type: MIME[kind]})]});
async function send() {
  const {title, link, words} = told(), kind = shares('mp4') || !shares('jpg') ? 'mp4' : 'card';
  const file = await makeFile(kind);
  if (!shares(kind === 'card' ? 'jpg' : kind)) return download(file, 'attach');
  try {
    await navigator.share({files: [file], title, text: `${title}: ${address(link)}`});
    say(link ? '' : words.own);
  } catch (error) {
    if (error.name === 'NotAllowedError') say(words.ready);  // the click was too long ago; the file is kept
    else if (error.name !== 'AbortError') download(file, 'attach');
  }
}
async function act(button) {
  const kind = button.dataset.save ?? 'send';
  say('');
  setMaking(kind);
  try {
    if (kind === 'send') await send();
    else download(await makeFile(kind, button));
    if (kind === 'card' && !told().link) say(told().words.own);
  } catch (error) {
    console.warn(error);
    say(told().words.failed);
  } finally {
    setMaking(null);
    const menu = button.closest('details[open]');  // it lies over the controls
    if (menu) menu.open = false;
    if (!document.activeElement || document.activeElement === document.body || menu?.contains(document.activeElement)) {
      (menu?.querySelector('summary') ?? button).focus({preventScroll: true});
    }
  }
}
element.addEventListener('click', event => {
  const button = event.target.closest('[data-save], [data-send]');
  if (button && !making) act(button);
});
element.addEventListener('keydown', event => {
  const menu = event.target.closest('details[open]');
  if (!menu || event.key !== 'Escape') return;
  menu.open = false;
  menu.querySelector('summary').focus();
});
element.getRootNode().addEventListener('click', event => {
  const menu = element.querySelector('details[open]');
  if (menu && !event.composedPath().includes(menu)) menu.open = false;
});
window.addEventListener('catvae-file', event => {
  waiting?.(event.detail);
  waiting = null;
});
watch('value', () => {
  made.clear();
  setMaking(making);
});
