file => { window.dispatchEvent(new CustomEvent('catvae-file', {detail: file})); }
