#!/usr/bin/env bash
# Builds the image of maculanode for this machine's architecture from this
# tree: deploy/image.sh [TAG]. VERSION=v1.2.3 is what it says of its version.
# Needs Docker, and Go if this is not a release for Linux.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

tag=${1:-maculanode}
context=$(mktemp -d)
trap 'rm -rf "$context"' EXIT
# All that the build sees: not the tree.
mkdir "$context/data"
cp LICENSE "$context/"
if [ -e go.mod ]; then
	CGO_ENABLED=0 GOOS=linux go build -trimpath -ldflags "-s -w -X main.released=${VERSION:-}" -o "$context/maculanode" ./cmd/maculanode
else
	cp maculanode "$context/" # a release has it, of its own version
fi
docker build --quiet --file deploy/Dockerfile --tag "$tag" "$context"
