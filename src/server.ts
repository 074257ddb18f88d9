// SIGUSR1 would open Node's debugger, through which anybody on this machine could read the API key. SIGUSR2
// would end the process at once. Both are handled here, before the imports of the broker, which take time.
for (const signal of ['SIGUSR1', 'SIGUSR2'] as const) process.on(signal, () => undefined)

await import('./start.ts')
