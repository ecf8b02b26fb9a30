value => value
