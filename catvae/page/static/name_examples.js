() => document.querySelectorAll('.cat').forEach(cat => {
  const label = cat.querySelector('.label')?.textContent.trim() ?? '';
  cat.querySelectorAll('.gallery-item').forEach((item, i) => item.setAttribute('aria-label', `${label} ${i + 1}`));
})
