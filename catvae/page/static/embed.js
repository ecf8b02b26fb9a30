// The small page: asks the app for what its controls say; until that is there, the mix before it is plainly dimmed.

const form = document.getElementById('embed'), frames = form.querySelector('.frames');
const status = form.querySelector('.status'), more = document.querySelector('.more');
const props = {value: null}, watchers = [];
startMorph(document.getElementById('morph'), props, (key, act) => watchers.push(act));
const slider = document.querySelector('#morph input[type=range]');
const pause = seconds => new Promise(resolve => setTimeout(resolve, 1000 * seconds));
let turn = 0;

function showPicks(moving) {
  for (const pick of form.querySelectorAll('.pick')) {
    const label = pick.querySelector(':checked').parentElement, strip = pick.querySelector('.strip');
    pick.querySelector('.name').textContent = label.title;
    pick.querySelector('.face').style.cssText = label.style.cssText;
    const left = label.offsetLeft;
    if (!moving || left < strip.scrollLeft || left + label.offsetWidth > strip.scrollLeft + strip.clientWidth) {
      strip.scrollLeft = left - (strip.clientWidth - label.offsetWidth) / 2;
    }
  }
}

function showMix({morph, frames: pictures, columns}) {
  props.value = morph;
  watchers.forEach(act => act());
  frames.style.cssText = `--wide: ${columns.wide}; --narrow: ${columns.narrow}`;
  frames.classList.toggle('two-rows', pictures.length > columns.wide);
  frames.replaceChildren(...pictures.map(({source, share}, i) => {
    const button = document.createElement('button'), image = new Image();
    Object.assign(image, {src: source, alt: share, title: share});
    Object.assign(button, {type: 'button', onclick: () => {
      slider.value = slider.max * i / (pictures.length - 1);
      slider.dispatchEvent(new Event('input'));
    }});
    button.append(image);
    return button;
  }));
}

async function show() {
  const mine = ++turn, query = new URLSearchParams(new FormData(form));
  form.setAttribute('aria-busy', 'true');
  for (let wait = 2; ; wait = Math.min(2 * wait, 30)) {
    const answer = await fetch(`embed/mix?${query}`).then(async answer => ({status: answer.status, ...await answer.json()})).catch(() => ({}));
    if (mine !== turn) return;
    if (answer.morph) {
      status.textContent = '';
      form.removeAttribute('aria-busy');
      showMix(answer);
      if (query.get('path') === 'lerp') query.delete('path');
      more.href = `./?${query}`;
      return;
    }
    status.textContent = answer.status === 404 ? answer.error : status.dataset.busy;
    if (answer.status === 404) return;
    await pause(wait);
    if (mine !== turn) return;
  }
}

form.addEventListener('change', event => {
  if (!event.target.name) return; // the morph's slider
  showPicks(true);
  show();
});
form.addEventListener('submit', event => event.preventDefault());
for (const [name, way] of [['earlier', -1], ['later', 1]]) {
  for (const button of form.querySelectorAll(`.${name}`)) {
    const strip = button.parentElement.querySelector('.strip');
    button.addEventListener('click', () => strip.scrollBy({left: way * 0.8 * strip.clientWidth, behavior: 'smooth'}));
  }
}
showPicks(false);
show();
