card => JSON.stringify({failed: Date.now()})
