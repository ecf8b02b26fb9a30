(() => {
  const {pictures, titles} = VALUES;
  const params = new URLSearchParams(location.search);
  if (['a', 'b', 'model', 'path', 'full'].some(key => params.has(key))) return;
  const language = params.get('lang') ?? navigator.language.slice(0, 2);
  const dark = params.get('__theme') ? params.get('__theme') === 'dark' : matchMedia('(prefers-color-scheme: dark)').matches;
  const look = document.createElement('div'), title = document.createElement('b');
  look.id = 'first-look';
  look.ariaHidden = 'true';
  look.classList.toggle('dark', dark);
  title.textContent = titles[language] ?? titles.en;
  look.append(title, ...pictures.map((source, i) => {
    const image = new Image();
    image.alt = '';
    image.className = i === 1 ? 'kitten' : '';
    if (i === 1) image.elementTiming = 'first-look';
    image.src = source;
    return image;
  }));
  // the head is read before there is a body
  const watcher = new MutationObserver(() => {
    if (!document.body) return;
    watcher.disconnect();
    document.body.prepend(look);
    const leave = () => {
      look.style.opacity = 0;
      setTimeout(() => look.remove(), 250);
    };
    document.addEventListener('kitten-drawn', leave, {once: true});
    setTimeout(leave, 15000);
  });
  watcher.observe(document, {childList: true, subtree: true});
})();
