async again => {  // busy, or without a network: asked once more, later each time
  const page = document.querySelector('#mix').closest('.gradio-container'), said = page.querySelector('#status [role=status]');
  const fails = page.dataset.fails = Number(page.dataset.fails ?? 0) + 1;
  page.dataset.begun = '';
  page.slow = clearTimeout(page.slow), delete page.dataset.slow;
  page.dataset.mix = 'failed';
  said.textContent = page.querySelector('#status .wait').textContent;
  await new Promise(resolve => setTimeout(resolve, Math.min(15000, 1000 * 2 ** (fails - 1)) * (0.75 + Math.random() / 2)));
  return again + 1;
}
