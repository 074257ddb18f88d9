// SIGUSR1 would open Node's debugger, by which anybody on this machine could read the API key. SIGUSR2 would end the
// process at once. Both are taken here, before everything that takes time: the imports of the broker.
for (const signal of ['SIGUSR1', 'SIGUSR2'] as const) process.on(signal, () => undefined)

await import('./start.ts')
