(...chosen) => {
  const page = document.querySelector('#mix').closest('.gradio-container');
  if (page.dataset.mix !== 'failed') page.dataset.mix = 'asked';
  page.slow ??= setTimeout(() => page.dataset.slow = '', 500);  // dimmed only then: what is dimmed is painted anew
  return chosen;
}
