(model, steps, path, ...photos) => {  // photos do not fit into an address: the new page asks for them
  sessionStorage.setItem('catvae-photos', JSON.stringify(photos));
  const params = new URLSearchParams(location.search);
  for (const key of ['a', 'b']) params.delete(key);
  for (const [key, value] of Object.entries({lang: sessionStorage.getItem('catvae-language'), model, steps, path})) params.set(key, value);
  location.search = params;
}
