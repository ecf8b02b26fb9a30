element.addEventListener('click', event => {
    const button = event.target.closest('button');
    if (!button) return;
    const {cat, slot} = button.dataset;
    trigger('click', cat ? {cat: Number(cat)} : {slot: Number(slot)});
});
