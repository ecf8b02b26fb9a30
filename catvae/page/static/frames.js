// The gallery: a click takes the morph to a frame. card.js and send.js go on from here.
const told = () => JSON.parse(element.querySelector('.mixed').dataset.told);
const morphView = () => element.getRootNode().querySelector('#morph');
const percent = share => Math.round(100 * share);

element.addEventListener('click', event => {
  const frame = event.target.closest('.show');
  if (!frame || !moveMorph(element, 1000 * frame.dataset.share)) return;
  const still = matchMedia('(prefers-reduced-motion: reduce)').matches;
  morphView().scrollIntoView({block: 'nearest', behavior: still ? 'instant' : 'smooth'});
});
let mixes = 0;  // the first is no news
watch('value', () => {
  const unseen = element.querySelector('.unseen');
  if (!unseen || !mixes++) return;
  unseen.textContent = '';
  setTimeout(() => { if (unseen.isConnected) unseen.textContent = told().news; }, 100);  // the same words are read anew
});
