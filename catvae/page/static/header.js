element.addEventListener('click', event => {
  const link = event.target.closest('a');
  if (link?.dataset.lang) {
    event.preventDefault();
    sessionStorage.setItem('catvae-language', link.dataset.lang);
    trigger('click');
  } else if (link?.matches('.skip')) {
    event.preventDefault();
    element.getRootNode().querySelector('#mix .show')?.focus();
  }
});
