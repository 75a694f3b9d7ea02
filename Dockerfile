# Bursar: the API, the worker and the command, in one image. What it starts from is pinned in platform/versions.ts.
#
#   docker build --build-arg GIT_COMMIT="$(git rev-parse HEAD)" -t bursar .

FROM node:22.22.2-bookworm-slim AS build
WORKDIR /build
COPY package.json package-lock.json ./
# Nothing here needs an install script, and ours comes when the sources are there.
RUN npm ci --ignore-scripts --no-audit --no-fund
COPY . .
ARG GIT_COMMIT
RUN npm run build && npm pack --ignore-scripts && tar -xzf bursar-*.tgz

# What it runs on: the versions of package-lock.json, without PostgreSQL (the optional packages), and without what Temporal
# brings for other machines (110 MB).
FROM node:22.22.2-bookworm-slim AS packages
WORKDIR /packages
COPY package.json package-lock.json ./
RUN npm ci --omit=dev --omit=optional --ignore-scripts --no-audit --no-fund \
 && find node_modules/@temporalio/core-bridge/releases -mindepth 1 -maxdepth 1 \
      ! -name "$(uname -m)-unknown-linux-gnu" -exec rm -r {} + \
 && find node_modules -type f \( -name '*.map' -o -name '*.d.ts' \) -delete

FROM node:22.22.2-bookworm-slim
LABEL org.opencontainers.image.title="Bursar" org.opencontainers.image.licenses="MIT"
ENV NODE_ENV=production BURSAR_HOME=/var/lib/bursar
WORKDIR /opt/bursar
COPY --from=packages /packages/node_modules node_modules
COPY --from=build /build/package ./
# The home is for the token of whoever is inside the container; nothing in it is missed when the container is gone.
RUN ln -s /opt/bursar/bin/bursar.js /usr/local/bin/bursar && install -d -o node -g node -m 0700 "$BURSAR_HOME"
USER node
EXPOSE 8080
HEALTHCHECK --interval=10s --timeout=5s --start-period=20s \
  CMD ["node", "-e", "fetch(`http://127.0.0.1:${process.env.BURSAR_PORT || 8080}/readyz`).then((answer) => process.exit(answer.ok ? 0 : 1), () => process.exit(1))"]
# The worker: node --enable-source-maps dist/worker/main.js
CMD ["node", "--enable-source-maps", "dist/api/main.js"]
