#!/usr/bin/env bash
# Installs the libraries that originals were made with, for --reference darknet|keras|pytorch and --backend node:
#
#     scripts/install-references.sh [darknet] [keras] [pytorch] [tfjs-node] [onnx]        default: all of them
#
# onnx is no reference: our tests hold what we know of the format against Python's package of it.
# Quick where everything is there already. Without root it installs what it can and says what is missing.
# Keras and PyTorch go into references/python/venv (DIFFTEST_VENV: another folder, then set DIFFTEST_PYTHON to its python;
# PYTHON: which Python makes it; DIFFTEST_TORCH: arguments of pip for another PyTorch).
# Exit status 3 where something could not be installed.
set -uo pipefail
root=$(cd "$(dirname "$0")/.." && pwd)
venv=${DIFFTEST_VENV:-$root/references/python/venv}
python=$venv/bin/python
missing=0

say() { echo "references: $*"; }
lacks() {
  say "$1 is missing: $2" >&2
  missing=1
}

install_darknet() {
  local runner=$root/references/darknet/build/runner
  if [ -x "$runner" ] && up_to_date "$runner" && [ -f "$(library_of "$runner")" ]; then
    say "darknet: built already"
    return
  fi
  if [ -z "${DARKNET_HOME:-}" ] && [ ! -f /usr/lib/darknet/libdarknet.so ]; then
    if [ "$(id -u)" != 0 ]; then
      lacks darknet "run \"apt-get install darknet\" as root, or build a checkout with LIBSO=1 and set DARKNET_HOME"
      return
    fi
    if ! { apt-get update && DEBIAN_FRONTEND=noninteractive apt-get install -y --no-install-recommends darknet; } >/dev/null 2>&1; then
      lacks darknet "apt-get install darknet failed; build a checkout with LIBSO=1 and set DARKNET_HOME"
      return
    fi
  fi
  if ! command -v "${CC:-cc}" >/dev/null; then
    lacks "a C compiler" "apt-get install gcc libc6-dev"
  elif "$root/references/darknet/build.sh" >/dev/null; then
    say "darknet: built $runner"
  else
    lacks darknet "references/darknet/build.sh failed"
  fi
}

# Whether no source is newer than the runner.
up_to_date() { [ -z "$(find "$root/references/darknet" -maxdepth 1 \( -name '*.c' -o -name '*.h' -o -name build.sh \) -newer "$1")" ]; }

# The library that the runner is linked with.
library_of() { ldd "$1" 2>/dev/null | grep -o '/[^ ]*libdarknet\.so' | head -n 1; }

# make_venv: an environment of its own, so that pinned versions disturb nobody.
make_venv() {
  [ -x "$python" ] && return
  local maker=${PYTHON:-python3}
  if ! "$maker" -m venv "$venv" >/dev/null 2>&1; then
    lacks Python "$maker cannot make an environment; apt-get install python3-venv, or set PYTHON to a Python from 3.11 on"
    return 1
  fi
}

# install_python NAME REQUIREMENTS PIP_ARGUMENTS...
install_python() {
  local name=$1 requirements=$2
  shift 2
  make_venv || return
  if has_all "$requirements"; then
    say "$name: installed already in $venv"
  elif "$python" -m pip install --disable-pip-version-check --quiet "$@" -r "$requirements" >"$venv/pip.log" 2>&1; then
    say "$name: installed in $venv"
  else
    tail -n 3 "$venv/pip.log" >&2
    lacks "$name" "pip install -r $requirements failed (above)"
  fi
}

# Whether every requirement is there in its version: asked of the metadata, since pip itself takes seconds.
has_all() {
  "$python" - "$1" <<'PYTHON'
import sys
from importlib.metadata import PackageNotFoundError, version

def there(line):
    name, _, wanted = line.strip().partition("==")
    try:
        return version(name).split("+")[0] == wanted
    except PackageNotFoundError:
        return False

sys.exit(not all(there(line) for line in open(sys.argv[1]) if line.strip()))
PYTHON
}

install_keras() { install_python keras "$root/references/keras/requirements.txt"; }

install_pytorch() {
  # Where the index has only builds for GPUs, PyTorch's own CPU wheels are asked for: DIFFTEST_TORCH="--index-url https://download.pytorch.org/whl/cpu"
  # shellcheck disable=SC2086
  install_python pytorch "$root/references/pytorch/requirements.txt" ${DIFFTEST_TORCH:-}
}

install_onnx() { install_python onnx "$root/test/formats/onnx/requirements.txt"; }

install_tfjs_node() {
  [ -x "$python" ] && export PYTHON=$python
  "$root/scripts/install-tfjs-node.sh" || lacks tfjs-node "scripts/install-tfjs-node.sh failed (above)"
}

[ $# -gt 0 ] || set -- darknet keras pytorch tfjs-node onnx
for name in "$@"; do
  case $name in
    darknet | keras | pytorch | onnx) "install_$name" ;;
    tfjs-node) install_tfjs_node ;;
    *)
      echo "install-references.sh: unknown reference \"$name\", expected darknet, keras, pytorch, tfjs-node or onnx" >&2
      exit 2
      ;;
  esac
done
[ "$missing" = 0 ] || exit 3
