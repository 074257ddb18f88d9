# Built with npm and run without it. The default target is the broker; `docker build --target sandbox` is the demo.
FROM node:24.22.3-bookworm-slim AS build
WORKDIR /broker
COPY package.json package-lock.json .npmrc ./
# The workspace is the browser of the tests.
RUN npm ci --workspaces=false
COPY tsconfig.json build.js ./
COPY src ./src
COPY public ./public
RUN npm run build && npm ci --workspaces=false --omit=dev
# The broker's own image carries only what the broker and the doctor run.
RUN mkdir /runtime && cp -r dist public /runtime/
RUN cd /runtime && rm -r dist/bench dist/demo dist/sandbox public/demo public/sandbox

FROM node:24.22.3-bookworm-slim AS base
# Nothing here installs packages, and what is absent cannot be abused.
RUN rm -rf /usr/local/lib/node_modules /usr/local/bin/npm /usr/local/bin/npx /usr/local/bin/corepack /opt/yarn-* /usr/local/bin/yarn*
ENV NODE_ENV=production
WORKDIR /broker
COPY --from=build /broker/node_modules ./node_modules
COPY package.json ./
USER 65532:65532
# The image's own entry point is a shell script. Node must be process 1 to receive the signals.
ENTRYPOINT []

FROM base AS sandbox
# Nobody outside a container can reach its loopback address.
ENV HOST=0.0.0.0
COPY --from=build /broker/dist ./dist
COPY --from=build /broker/public ./public
EXPOSE 3000 4000
CMD ["node", "dist/demo/main.js"]

FROM base AS runtime
COPY --from=build /runtime ./
EXPOSE 3000
HEALTHCHECK --interval=10s --timeout=3s --start-period=5s --retries=3 \
  CMD ["node", "-e", "fetch(`http://127.0.0.1:${process.env.PORT || 3000}/healthz`).then(({ ok }) => process.exit(ok ? 0 : 1), () => process.exit(1))"]
# A small young generation and a bounded old one halve the memory of a service that keeps little for long: with a bound,
# V8 lets the heap grow by less between collections. Node 20 does not know --disable-sigusr1; there, the broker takes
# the signal itself.
CMD ["node", "--disable-sigusr1", "--max-semi-space-size=8", "--max-old-space-size=256", "dist/server.js"]
