  if [ -e @DATA@/device.key ]; then
    name=$(sed -n -e 's/^ *device: *"\{0,1\}\([a-z0-9-]*\).*/\1/p' /etc/tallystick/agent.yaml 2>/dev/null || true)
    echo "@PROGRAM@: the key of device ${name:-this gateway} is removed with @DATA@, and whatever had no receipt yet." >&2
    echo "@PROGRAM@: have its operator revoke that key." >&2
  fi
  rm -rf @DATA@
