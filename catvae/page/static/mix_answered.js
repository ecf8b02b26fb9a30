refused => {
  const page = document.querySelector('#mix').closest('.gradio-container');
  page.dataset.mix = refused ? 'refused' : 'shown';
  delete page.dataset.fails;
}
