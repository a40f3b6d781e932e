# lab fingerprint HOST [--except DOMAIN]: tests/lab/fingerprint, run inside the host.

lab_fingerprint() {
  local name=${1:-}
  require_host "$name"
  shift
  (cd / && enter_host "$name" "$lab_source/fingerprint" "$@")
}
