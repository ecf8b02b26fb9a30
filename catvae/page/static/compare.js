element.addEventListener('click', event => {
  const row = event.target.closest('[data-model]');
  if (row) trigger('click', {model: row.dataset.model});
});
