# Built with npm, run without it: the second stage carries Node, the compiled broker and its few run-time packages.
FROM node:24.22.3-bookworm-slim AS build
WORKDIR /broker
COPY package.json package-lock.json .npmrc ./
RUN npm ci
COPY tsconfig.json ./
COPY src ./src
RUN npm run build && npm prune --omit=dev

FROM node:24.22.3-bookworm-slim
# Nothing here installs packages, and what cannot be run cannot be abused.
RUN rm -rf /usr/local/lib/node_modules /usr/local/bin/npm /usr/local/bin/npx /usr/local/bin/corepack /opt/yarn-* /usr/local/bin/yarn*
ENV NODE_ENV=production
WORKDIR /broker
COPY --from=build /broker/node_modules ./node_modules
COPY --from=build /broker/dist ./dist
COPY package.json ./
COPY public ./public
USER 65532:65532
EXPOSE 3000
HEALTHCHECK --interval=10s --timeout=3s --start-period=5s --retries=3 \
  CMD ["node", "-e", "fetch(`http://127.0.0.1:${process.env.PORT || 3000}/healthz`).then(({ ok }) => process.exit(ok ? 0 : 1), () => process.exit(1))"]
# The image's own entry point is a shell script; node is to be process 1 and get the signals itself.
ENTRYPOINT []
# A small young generation and a bounded old one halve the memory of a service that holds little for long: with a bound,
# V8 lets the heap grow by less between collections.
CMD ["node", "--max-semi-space-size=8", "--max-old-space-size=256", "dist/server.js"]
