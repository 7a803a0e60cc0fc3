#!/usr/bin/env bash
# Installs @tensorflow/tfjs-node beside difftest, for --backend node.
#
#     scripts/install-tfjs-node.sh [FOLDER]          default: the folder of this project
#
# On an ordinary machine the package's own installer does it. Where its download of libtensorflow is
# not to be had, the binding is built against the TensorFlow of a Python environment instead
# (PYTHON=…, default python3; needs tensorflow-cpu, a C++ compiler and Node's headers).
set -euo pipefail

version=4.22.0
folder=$(cd "${1:-$(dirname "$0")/..}" && pwd)
link=$folder/node_modules/@tensorflow/tfjs-node
# In a folder of its own: npm calls an optional peer that the lock file leaves out "up to date" and installs nothing.
home=$folder/node_modules/.tfjs-node
package=$home/node_modules/@tensorflow/tfjs-node

works() { node -e "require('$link').ready().then(() => process.exit(0), () => process.exit(1))" >/dev/null 2>&1; }
# fetch [npm's options]: the package and what it depends on, linked to where difftest looks for it.
fetch() {
  (cd "$home" && npm install --no-audit --no-fund "$@" "@tensorflow/tfjs-node@$version" >/dev/null 2>&1) || return 1
  ln -sfn "$package" "$link"
}

if [ -e "$link" ] && works; then
  echo "tfjs-node: installed already, $link"
  exit 0
fi
mkdir -p "$home" "$(dirname "$link")"
echo '{ "private": true }' >"$home/package.json"
if fetch && works; then
  echo "tfjs-node: installed by its own installer"
  exit 0
fi

echo "tfjs-node: its own installer failed; building against TensorFlow's Python package" >&2
python=${PYTHON:-python3}
site=$("$python" -c 'import importlib.util, os; print(os.path.dirname(importlib.util.find_spec("tensorflow").origin))') || {
  echo "tfjs-node: $python has no tensorflow; install it (pip install tensorflow-cpu==2.21.0) or set PYTHON" >&2
  exit 3
}
fetch --ignore-scripts || {
  echo "tfjs-node: npm cannot install @tensorflow/tfjs-node@$version" >&2
  exit 3
}
mkdir -p "$package/deps/lib"
ln -sfn "$site/include" "$package/deps/include"
for name in libtensorflow.so libtensorflow_cc.so.2; do ln -sfn "$site/libtensorflow_cc.so.2" "$package/deps/lib/$name"; done
for name in libtensorflow_framework.so libtensorflow_framework.so.2; do ln -sfn "$site/libtensorflow_framework.so.2" "$package/deps/lib/$name"; done
gyp=$(dirname "$(readlink -f "$(command -v npm)")")/../node_modules/node-gyp/bin/node-gyp.js
headers=$(dirname "$(dirname "$(readlink -f "$(command -v node)")")")
[ -f "$headers/include/node/node_api.h" ] || headers=/usr
(cd "$package" && node "$gyp" rebuild --nodedir="$headers" --module_name=tfjs_binding \
  --module_path="$package/lib/napi-v8" --napi_build_version=8 --napi_version=9 >/dev/null 2>"$home/build.log") || {
  tail -5 "$home/build.log" >&2
  exit 3
}
rm -f "$home/build.log"
works || { echo "tfjs-node: built, but it cannot be loaded" >&2; exit 3; }
echo "tfjs-node: built against $site"
