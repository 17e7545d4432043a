#!/bin/sh
# @PROGRAM@. Called by root it runs as the service's own user: the service must be able to read and write what it makes, and root
# has no business in a folder that somebody else may change. The files that it is given are opened as that user, too.
set -eu
home=$(dirname -- "$(readlink -f -- "$0")")/../lib/tallystick/@PART@
umask @UMASK@
if [ "$(id -u)" = 0 ] && id -u @PROGRAM@ >/dev/null 2>&1; then
  exec setpriv --reuid=@PROGRAM@ --regid=@PROGRAM@ --init-groups -- "$home/bin/node" "$home/@PROGRAM@.js" "$@"
fi
exec "$home/bin/node" "$home/@PROGRAM@.js" "$@"
