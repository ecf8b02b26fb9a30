refused => {
  const page = document.querySelector('#mix').closest('.gradio-container');
  page.dataset.begun = '';
  page.slow = clearTimeout(page.slow), delete page.dataset.slow;
  page.dataset.mix = refused ? 'refused' : 'shown';
  delete page.dataset.fails;
  page.querySelector('#status [role=status]').textContent = refused;  // it may say that no answer came
}
