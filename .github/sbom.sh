#!/usr/bin/env bash
# Lists the packages of the image by the lockfile: writes sbom.cdx.json (CycloneDX) and sbom.spdx.json (SPDX) into the
# folder that is given. `npm sbom --omit dev` also omits packages that the broker shares with development packages, so
# this lists a lockfile without the latter.
set -euo pipefail

target=$(realpath "${1:-.}")
# npm names the CycloneDX component after its folder.
temporary=$(mktemp -d)
trap 'rm -rf "$temporary"' EXIT
mkdir "$temporary/returning-ai-token-broker"
cp "$(dirname "$0")"/../{package.json,package-lock.json,.npmrc} "$temporary/returning-ai-token-broker"
cd "$temporary/returning-ai-token-broker"
npm pkg delete devDependencies workspaces
npm install --package-lock-only --offline --no-audit --no-fund --silent
npm sbom --package-lock-only --sbom-type application --sbom-format cyclonedx >"$target/sbom.cdx.json"
npm sbom --package-lock-only --sbom-type application --sbom-format spdx >"$target/sbom.spdx.json"
