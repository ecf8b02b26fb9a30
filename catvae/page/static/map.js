element.addEventListener('click', event => {
    const button = event.target.closest('button');
    if (button) trigger('click', {cat: Number(button.dataset.cat)});
});
