() => { window.dispatchEvent(new CustomEvent('catvae-file', {detail: null})); }
