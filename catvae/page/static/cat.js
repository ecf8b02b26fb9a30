// The card of one cat. It asks the server with trigger('input', …), one question at a time: {photo} is an uploaded
// file, {example} a cat of the strip, {square} where to cut. The answer comes as props.value; `serial` says to which.

const $ = selector => element.querySelector(selector), all = selector => [...element.querySelectorAll(selector)];
const MAX_BYTES = props.megabytes * 1e6, TILE = 44, GAP = 4;  // pixels of an example in the strip
const [shelf, cutting, webcam] = ['.shelf', '.cutting', '.webcam'].map($);
let state = {}, serial = 0, asked = 0, next = null, choices = 0, pause = 0, uploading = false, opening = false;

const word = (key, values = {}) => Object.entries(values).reduce(
  (text, [name, value]) => text.replaceAll(`{${name}}`, value), (props.words[props.label] ?? props.words.en)[key]);
const me = () => word(`cat_${props.letter.toLowerCase()}`);
const nameOf = cat => cat.number ? word('kitten', {number: cat.number}) : word(`name_${cat.key}`);

function ask(what) {
  if (asked) return void (next = what);
  asked = ++serial;
  refuse('');
  trigger('input', {...what, serial: asked});
  render();
}
function answered() {
  asked = 0;
  const what = next;
  next = null;
  if (what) ask(what);
}
function take() {
  if (!props.value) return;
  const {serial: to, failed, refusal, ...news} = JSON.parse(props.value);
  if (news.face) state = news.kind ? news : {...state, ...news};  // a new square says nothing of the photo
  if (failed || to === asked) {
    answered();
    if (!asked) refuse(failed ? word('no_answer') : refusal ?? '');
  }
  if (news.kind && !state.photo && cutting.open) cutting.close();
  if (opening && state.photo) open();
  if (!news.kind && state.face) props.value = JSON.stringify(state);  // whole, for when the card is built anew
  render();
}
function refuse(message) {
  for (const place of all('.refusal')) {
    place.textContent = message;
    place.hidden = !message;
  }
}

// ways to bring a photo
async function bring(file) {
  if (!file) return;
  const mine = ++choices;
  if (file.size > MAX_BYTES) return refuse(word('too_heavy', {cat: props.letter}));
  uploading = true;
  opening = false;
  render();
  try {
    const {path} = await upload(file);
    if (mine === choices) ask({photo: path});
  } catch {
    if (mine === choices) refuse(word('no_answer'));
  } finally {
    if (mine === choices) uploading = false;
    render();
  }
}
const imageOf = data => [...data?.files ?? []].find(file => file.type.startsWith('image/') || !file.type) ?? data?.files?.[0];
const chooser = $('input[type=file]');
$('.use').addEventListener('click', () => chooser.click());
chooser.addEventListener('change', () => {
  bring(chooser.files[0]);
  chooser.value = '';  // else the same file would be no change
});
for (const kind of ['dragenter', 'dragover']) element.addEventListener(kind, event => {
  event.preventDefault();
  element.classList.add('over');
});
element.addEventListener('dragleave', event => element.contains(event.relatedTarget) || element.classList.remove('over'));
element.addEventListener('drop', event => {
  event.preventDefault();
  element.classList.remove('over');
  bring(imageOf(event.dataTransfer));
});
// a photo dropped beside a card does not take the place of the page
for (const kind of ['dragover', 'drop'])
  element.closest('.gradio-container')?.addEventListener(kind, event => event.preventDefault());
// pasted where the pointer or the focus is; elsewhere it is cat A's
const pasted = event => {
  if (!element.isConnected) return document.removeEventListener('paste', pasted);
  const image = imageOf(event.clipboardData), root = element.getRootNode();
  if (!image || /^(input|textarea)$/i.test(event.target.tagName) || !element.offsetParent) return;
  const cards = [...root.querySelectorAll('.cat')], mine = element.closest('.cat');
  const meant = cards.find(card => card.matches(':focus-within')) ?? cards.find(card => card.matches(':hover')) ?? cards[0];
  if (meant === mine) bring(image);
};
document.addEventListener('paste', pasted);
$('.paste').addEventListener('click', async () => {
  try {
    for (const item of await navigator.clipboard.read()) {
      const type = item.types.find(type => type.startsWith('image/'));
      if (type) return bring(await item.getType(type));
    }
  } catch { }  // it was not allowed: said below
  refuse(word('paste_none'));
});
$('.shoot').addEventListener('click', async () => {
  const video = webcam.querySelector('video');
  refuse('');
  webcam.showModal();
  try {
    video.srcObject = await navigator.mediaDevices.getUserMedia({video: {width: {ideal: 1280}, height: {ideal: 960}}});
    if (!webcam.open) stopCamera();
  } catch {
    refuse(word('camera_none'));
  }
});
$('.take').addEventListener('click', () => {
  const video = webcam.querySelector('video'), canvas = document.createElement('canvas');
  [canvas.width, canvas.height] = [video.videoWidth, video.videoHeight];
  if (!canvas.width) return;
  canvas.getContext('2d').drawImage(video, 0, 0);
  canvas.toBlob(blob => bring(new File([blob], 'webcam.jpg', {type: 'image/jpeg'})), 'image/jpeg', 0.95);
  webcam.close();
});
function stopCamera() {
  const video = webcam.querySelector('video');
  video.srcObject?.getTracks().forEach(track => track.stop());
  video.srcObject = null;
}
webcam.addEventListener('close', stopCamera);

// the square
const tool = squareTool(cutting, square => {
  state = {...state, square, own: true};
  clearTimeout(pause);
  pause = setTimeout(send, 250);  // when the hand rests: each cut draws a mix
});
function send() {
  clearTimeout(pause);
  pause = 0;
  if (state.square && !uploading) ask({square: state.square, number: state.number});
}
function choose(number) {
  state = {...state, number, own: false, square: number ? state.faces[number - 1] : state.whole};
  tool.show(state.photo, state.square);
  send();
  render();
}
const open = () => {
  opening = !state.photo;
  if (opening) return ask({example: state.example, adjust: true});
  refuse('');
  cutting.showModal();
  tool.show(state.photo, state.square);
  cutting.querySelector('.square').focus();
};
$('.adjust').addEventListener('click', open);
$('.face img').addEventListener('click', () => (state.photo || state.on_request) && open());
$('.next').addEventListener('click', () => choose(state.number % state.faces.length + 1));
$('.whole').addEventListener('click', () => choose(0));
$('.done').addEventListener('click', () => cutting.close());
cutting.addEventListener('close', () => pause && send());

for (const dialog of [shelf, cutting, webcam]) {
  dialog.querySelector('.close').addEventListener('click', () => dialog.close());
  dialog.addEventListener('click', event => event.target === dialog && dialog.close());  // beside it
}

// the examples
function tile(cat) {
  const button = document.createElement('button'), image = document.createElement('img');
  button.type = 'button';
  button.dataset.cat = cat.key;
  image.src = cat.source;
  image.alt = '';
  button.append(image);
  button.addEventListener('click', () => {
    choices++;
    uploading = opening = false;
    shelf.close();
    ask({example: cat.key});
  });
  return button;
}
function fillStrip() {
  const strip = $('.strip'), more = document.createElement('button');
  strip.append(...props.cats.map(tile), more);
  more.type = 'button';
  more.className = 'more';
  more.addEventListener('click', () => shelf.showModal());
  for (const kind of ['real', 'painted']) {
    const row = document.createElement('div'), title = document.createElement('p');
    title.dataset.kind = kind;
    row.className = 'grid';
    row.role = 'toolbar';
    row.append(...props.cats.filter(cat => cat.kind === kind).map(tile));
    if (row.childElementCount) shelf.querySelector('.rows').append(title, row);
    rove(row);
  }
  new ResizeObserver(() => {  // as many as one row holds, and a button that says how many more there are
    const fits = Math.max(1, Math.floor((strip.clientWidth + GAP) / (TILE + GAP)) - 1);
    [...strip.children].slice(0, -1).forEach((button, i) => button.hidden = i >= fits);
    more.textContent = `+${Math.max(0, props.cats.length - fits)}`;
    more.hidden = fits >= props.cats.length;
    strip.dispatchEvent(new Event('reach'));
    render();
  }).observe(strip);
  rove(strip);
}
// one tab stop for a row of buttons: arrow keys go from one to the next
function rove(bar) {
  const reach = to => {
    const buttons = [...bar.querySelectorAll('button:not([hidden])')];
    const now = buttons.includes(to) ? to : buttons.find(button => button.tabIndex === 0) ?? buttons[0];
    bar.querySelectorAll('button').forEach(button => button.tabIndex = button === now ? 0 : -1);
  };
  bar.addEventListener('keydown', event => {
    const buttons = [...bar.querySelectorAll('button:not([hidden])')], at = buttons.indexOf(event.target);
    const row = buttons.filter(button => button.offsetTop === buttons[0].offsetTop).length;
    const to = {
      ArrowRight: at + 1, ArrowLeft: at - 1, Home: 0, End: buttons.length - 1,
      ArrowDown: at + (row < buttons.length ? row : 1), ArrowUp: at - (row < buttons.length ? row : 1),
    }[event.key];
    if (to === undefined || at < 0) return;
    event.preventDefault();
    const button = buttons[Math.max(0, Math.min(buttons.length - 1, to))];
    reach(button);
    button.focus();
  });
  bar.addEventListener('focusin', event => reach(event.target));
  bar.addEventListener('reach', () => reach());
  reach();
}

// what is said and shown
function describe() {
  const {faces, number, own} = state;
  if (!state.photo || !faces) return '';
  if (own) return word('face_by_hand');
  if (!faces.length) return word('face_none');
  if (!number) return word('face_whole');
  const note = faces.length === 1 ? word('face_found') : word('face_of', {number, count: faces.length});
  return faces[number - 1].sure ? note : `${note} ${word('face_unsure')}`;
}
function say(place, text) {
  if (place.textContent !== text) place.textContent = text;
}
function render() {
  const waiting = uploading || asked > 0, cat = props.cats.find(cat => cat.key === state.example);
  const kind = state.kind ? word(`cats_${state.kind}`) : '';
  say($('.who'), me());
  const note = describe();
  say(cutting.querySelector('.note'), note);
  // one of both: a phone has two lines
  say($('.about .note'), cat && state.number === 1 && !state.own ? '' : note);
  say($('.kind'), $('.about .note').textContent ? '' : cat?.kind === 'real' ? `${nameOf(cat)}, ${kind}` : kind);
  if (state.face) $('.face img').src = state.face;
  $('.face img').alt = [me(), cat ? nameOf(cat) : '', kind].filter(Boolean).join(', ');
  element.classList.toggle('waits', waiting);
  say($('.waiting'), waiting && !cutting.open ? word('web_looking') : '');
  $('.adjust').hidden = !state.photo && !state.on_request;
  element.classList.toggle('has-photo', !$('.adjust').hidden);

  const named = (selector, text, key) => {
    const button = $(selector);
    if (text) say(button, text);
    button.setAttribute('aria-label', word(key, {cat: me()}));
    button.title = text ? '' : word(key, {cat: me()});
  };
  named('.use', word('web_own'), 'web_own_as');
  named('.shoot', '', 'camera_as');
  named('.paste', '', 'paste_as');
  named('.adjust', word('adjust_short'), 'adjust_cat');
  $('.own').setAttribute('aria-label', word('own_of', {cat: me()}));
  $('.strip').setAttribute('aria-label', word('examples_of', {cat: me()}));
  all('button[data-cat]').forEach(button => {
    const cat = props.cats.find(cat => cat.key === button.dataset.cat);
    const name = word('cat_as', {name: nameOf(cat), cat: me()}), kind = word(`cats_${cat.kind}`);
    button.setAttribute('aria-label', name);
    button.title = `${nameOf(cat)}: ${kind}`;
    button.setAttribute('aria-pressed', cat.key === state.example);
  });
  $('.more').setAttribute('aria-label', `${$('.more').textContent}: ${word('all_cats_as', {count: props.cats.length, cat: me()})}`);

  for (const [dialog, key] of [[shelf, 'all_cats_as'], [cutting, 'adjust_cat'], [webcam, 'camera_as']]) {
    const title = word(key, {count: props.cats.length, cat: me()});
    say(dialog.querySelector('strong'), title);
    dialog.setAttribute('aria-label', title);
    dialog.querySelector('.close').setAttribute('aria-label', word('close'));
  }
  for (const title of shelf.querySelectorAll('[data-kind]')) {
    say(title, word(`${title.dataset.kind}_cats`));
    title.nextSibling.setAttribute('aria-label', title.textContent);
  }
  say($('.take'), word('camera_take'));
  say($('.whole'), word('whole'));
  say($('.next'), word(state.faces?.length === 1 ? 'found_face' : 'next_face'));
  $('.next').hidden = !state.faces?.length;
  say($('.keys'), word('square_keys'));
  say($('.done'), word('done'));
  cutting.querySelector('.square').setAttribute('aria-label', word('square_of', {cat: me()}));
  cutting.querySelector('.stage img').alt = word('photo_of', {cat: me()});
  cutting.querySelector('.cut').setAttribute('aria-label', word('cut_of', {cat: me()}));
}
const phone = matchMedia('(pointer: coarse)').matches;  // the file dialogue has its camera
$('.shoot').hidden = phone || !navigator.mediaDevices?.getUserMedia;
$('.paste').hidden = !navigator.clipboard?.read;
fillStrip();
rove($('.own'));
watch('value', take);
watch('label', render);
take();
render();
