import { createRequire } from 'node:module'
import type undici from 'undici'

// What we use of undici. Its index loads fetch, WebSocket, caches and mocks as well: 35 ms of each start, and
// 14 MB.

const require = createRequire(import.meta.url)

export const Agent = require('undici/lib/dispatcher/agent.js') as typeof undici.Agent
export const buildConnector = require('undici/lib/core/connect.js') as typeof undici.buildConnector

/** All of it, for the agent that goes through a proxy: only the index puts its parts together. */
export const loadWhole = () => require('undici') as typeof undici
