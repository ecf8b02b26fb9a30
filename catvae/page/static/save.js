file => {
  if (!file) return;
  const {name, data} = JSON.parse(file), link = document.createElement('a');
  link.href = data; link.download = name; link.click();
}
