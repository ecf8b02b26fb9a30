(...chosen) => JSON.stringify(chosen)
