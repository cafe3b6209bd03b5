#!/usr/bin/env bash
# Packages the chart for a release into dist/. Usage: deploy/chart.sh REGISTRY DIGEST [REPOSITORY_URL]
# Its default image is the one in that registry, by digest. With the address of the repository, home, icon and links lead to this version there.
set -euo pipefail
cd "$(dirname "$0")/.."
registry=$1 digest=$2 url=${3:-}
version=$(sed -n 's/^__version__ = "\(.*\)"/\1/p' src/pilotfish/__init__.py)
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cp -r charts/pilotfish "$work/"
values=$work/pilotfish/values.yaml chart=$work/pilotfish/Chart.yaml
# The first of each: those of `image`, which comes before all others.
sed -i -e "0,/^  repository: pilotfish$/s||  repository: ${registry#*/}/pilotfish|" -e "0,/^  registry: \"\"$/s||  registry: \"${registry%%/*}\"|" \
  -e "0,/^  digest: \"\"$/s||  digest: \"$digest\"|" -e "s|^# -- The image of everything.*|# -- The image of everything: injector, sidecars and gateway|" "$values"
sed -i "s|^      image: pilotfish:.*|      image: $registry/pilotfish@$digest|" "$chart"
if [ -n "$url" ]; then
  at=$url/blob/v$version
  sed -i -e "s|https://pilotfish.dev/icon.svg|$url/raw/v$version/docs/images/icon.svg|" -e "s|https://pilotfish.dev/source|$url|" \
    -e "s|https://pilotfish.dev/docs/kubernetes|$at/docs/kubernetes.md|" -e "s|https://pilotfish.dev/docs/runbooks|$at/docs/runbooks|" \
    -e "s|https://pilotfish.dev$|$url|" "$chart"
  sed -i "s|https://pilotfish.dev/docs/runbooks/{name}.md|$at/docs/runbooks/{name}.md|" "$values"
fi
for line in "  digest: \"$digest\"" "  registry: \"${registry%%/*}\"" "  repository: ${registry#*/}/pilotfish"; do
  grep -qxF "$line" "$values" || { echo "chart: values.yaml has no place for: $line" >&2; exit 1; }
done
"${HELM:-helm}" package "$work/pilotfish" --destination dist
