value => JSON.parse(value)
