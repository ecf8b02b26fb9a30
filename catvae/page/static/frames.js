element.addEventListener('click', event => {
  const frame = event.target.closest('button'), slider = element.getRootNode().querySelector('#morph input');
  if (!frame || !slider) return;
  slider.value = frame.dataset.share;
  slider.dispatchEvent(new Event('input'));
});
