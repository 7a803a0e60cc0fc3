#!/bin/sh
# Builds the Darknet runner against an installed library.
#
#     references/darknet/build.sh                 Debian's or Ubuntu's package (apt-get install darknet)
#     DARKNET_HOME=~/darknet references/darknet/build.sh     a checkout of AlexeyAB/darknet or pjreddie/darknet, built with LIBSO=1
#
# Leaves references/darknet/build/runner (DIFFTEST_RUNNER_OUT: another place).
set -eu
here=$(cd "$(dirname "$0")" && pwd)
out=${DIFFTEST_RUNNER_OUT:-$here/build/runner}

if [ -n "${DARKNET_HOME:-}" ]; then
  header=$DARKNET_HOME/include
  library=$(ls "$DARKNET_HOME"/libdarknet.so "$DARKNET_HOME"/lib/libdarknet.so 2>/dev/null | head -n 1)
  version=$(git -C "$DARKNET_HOME" rev-parse --short HEAD 2>/dev/null || echo unknown)
elif [ -f /usr/lib/darknet/libdarknet.so ]; then
  header=/usr/lib/darknet/include
  library=/usr/lib/darknet/libdarknet.so
  version=$(dpkg-query -W -f '${Version}' darknet 2>/dev/null || echo unknown)
else
  echo "build.sh: no Darknet library found; apt-get install darknet, or set DARKNET_HOME to a checkout built with LIBSO=1" >&2
  exit 1
fi
if [ ! -f "$header/darknet.h" ] || [ -z "$library" ]; then
  echo "build.sh: $header/darknet.h or libdarknet.so is missing; build the library with LIBSO=1" >&2
  exit 1
fi
# AlexeyAB's header has a state beside the network; its functions take other arguments.
flavour=
if grep -q "struct network_state" "$header/darknet.h"; then flavour=-DALEXEYAB; fi
compiler=${CC:-cc}
build="$($compiler --version | head -n 1), $library"

mkdir -p "$(dirname "$out")"
$compiler -std=gnu11 -O2 -Wall -Wextra $flavour "-DDARKNET_VERSION=\"$version\"" "-DBUILD=\"$build\"" "-DLIBRARY=\"$library\"" \
  -I "$header" -I "$here" "$here/runner.c" "$here/library.c" "$here/channel.c" "$here/json.c" \
  -o "$out.new" "$library" "-Wl,-rpath,$(dirname "$library")" -lm -lpthread
mv "$out.new" "$out"
echo "$out"
