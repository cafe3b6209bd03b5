#!/usr/bin/env bash
# Prints `version=X` where the tag vX, the package and the chart's appVersion are the same X; else says which are. Usage: deploy/version.sh TAG
set -euo pipefail
cd "$(dirname "$0")/.."
tag=${1#v}
package=$(sed -n 's/^__version__ = "\(.*\)"/\1/p' src/pilotfish/__init__.py)
chart=$(sed -n 's/^appVersion: *"\{0,1\}\([^"]*\)"\{0,1\}/\1/p' charts/pilotfish/Chart.yaml)
if [ "$tag" != "$package" ] || [ "$tag" != "$chart" ]; then
  echo "version: the tag is $tag, the package $package, the chart's appVersion $chart; expected one and the same" >&2
  exit 1
fi
echo "version=$tag"
