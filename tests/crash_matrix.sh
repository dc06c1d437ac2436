#!/usr/bin/env bash
# Breaks the release binary from outside, at every system call that changes a file: killed, failing once, failing from then on,
# writing half, and (as root, where loop devices exist) with the power cut. RESEAL_CRASH_MATRIX names the tool that does it.
#
#   tests/crash_matrix.sh BINARY [bounded|full|power]
set -euo pipefail
reseal=$(realpath "$1")
extent=${2:-bounded}
tool=${RESEAL_CRASH_MATRIX:?names the tool that breaks a command at every system call}

fixed=$(mktemp -d)
trap 'rm -rf "$fixed"' EXIT
pair() { # NAME SUBJECT-SUFFIX: a leaf for localhost from a throw-away CA, certificate and key
  openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -keyout "$fixed/$1.ca.key" -out "$fixed/$1.ca.pem" \
    -subj "/CN=CA $1" -days 400 2>/dev/null
  openssl req -new -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -keyout "$fixed/$1.key" -out "$fixed/$1.csr" \
    -subj "/CN=$1" 2>/dev/null
  printf 'subjectAltName=DNS:localhost\nextendedKeyUsage=serverAuth\n' >"$fixed/ext"
  openssl x509 -req -in "$fixed/$1.csr" -CA "$fixed/$1.ca.pem" -CAkey "$fixed/$1.ca.key" -days 300 -extfile "$fixed/ext" \
    -out "$fixed/$1.pem" 2>/dev/null
}
pair old; pair new; pair third
openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -keyout "$fixed/vendor.key" -out "$fixed/vendor.pem" \
  -subj /CN=localhost -addext subjectAltName=DNS:localhost -days 400 2>/dev/null
printf 'correct horse\n' >"$fixed/passphrase"; chmod 600 "$fixed/passphrase"
cat >"$fixed/reload" <<'SH'
#!/bin/sh
# Dies together with whoever called it, once, when the scenario asks for it.
if [ -e "$1/die" ]; then rm "$1/die"; kill -9 $PPID; fi
SH
chmod 755 "$fixed/reload"
cat >"$fixed/hook" <<'SH'
#!/bin/sh
# A copy for somebody else, beside the directory of hooks: of the pair that stands, or the check fails.
[ "$RESEAL_HOOK" = deploy ] || exit 0
cp "$RENEWED_LINEAGE/cert.pem" "$(dirname "$0")/../../copy.pem"
SH
chmod 755 "$fixed/hook"

# What stands where the service reads: wholly one of the pairs, or the check fails.
cat >"$fixed/check" <<'SH'
#!/bin/sh
fixed=$1; reseal=$2; cd "$W" || exit 1
public() { openssl pkey -in "$1" -pubout 2>/dev/null; }
state=torn
leaf=$(openssl x509 -in certs/web.pem -noout -pubkey 2>/dev/null)
[ -n "$leaf" ] && [ "$leaf" = "$(public private/web.key)" ] && state=other
for known in old new third vendor; do
  [ "$leaf" = "$(public "$fixed/$known.key")" ] && [ "$state" = other ] && state=$known
done
echo "$state"
[ "$state" != torn ] || exit 1
[ -z "$(find . -name '.reseal-*')" ] || { echo "left over: $(find . -name '.reseal-*')"; exit 1; }
[ -z "$(find . -type f -perm /007 -exec grep -l 'PRIVATE KEY' {} +)" ] || { echo 'a key is readable by others'; exit 1; }
[ ! -d state/vault ] || "$reseal" --config r.toml backups verify >/dev/null || { echo 'a backup is damaged'; exit 1; }
if [ -d state/journal ] && [ -n "$(ls state/journal)" ]; then echo 'a journal is left'; exit 1; fi
[ ! -e copy.pem ] || [ "$(openssl x509 -in copy.pem -noout -pubkey)" = "$leaf" ] || { echo 'the copy is of the other pair'; exit 1; }
[ ! -d state/lineage/web ] || { echo 'the copy for the hooks is left'; exit 1; }
SH
chmod 755 "$fixed/check"

recover="test -z \"\$(find . -type f -perm /007 -exec grep -l 'PRIVATE KEY' {} +)\" && $reseal --config r.toml -q recover"
base="umask 022; mkdir certs private; cp $fixed/vendor.pem certs/web.pem; cp $fixed/vendor.key private/web.key; chmod 640 private/web.key
cat >r.toml <<TOML
[defaults]
state_dir = \"\$W/state\"
live_dir = \"\$W/live\"
[ca.demo]
passphrase_file = \"$fixed/passphrase\"
[[target]]
name = \"web\"
kind = \"files\"
names = [\"localhost\"]
certificate = \"\$W/certs/web.pem\"
key = \"\$W/private/web.key\"
reload = [\"$fixed/reload\", \"\$W\"]
[target.source]
kind = \"local-ca\"
ca = \"demo\"
TOML
"
run="$reseal --config r.toml -q"
stage() { echo "$run stage web --cert $fixed/$1.pem --key $fixed/$1.key"; }
install() { echo "$run install web --cert $fixed/$1.pem --key $fixed/$1.key"; }

# What reseal trusts: record, file and bundle agree, or the check fails.
cat >"$fixed/anchors" <<'SH'
#!/bin/sh
fixed=$1; reseal=$2; cd "$W" || exit 1
listed=$("$reseal" --config t.toml --format json trust list | grep -c '"state":"in-place"')
entries=$("$reseal" --config t.toml --format json trust list | grep -c '"state":')
bundle=0; grep -qF "$(sed -n 3p "$fixed/new.ca.pem")" etc/ca-certificates.crt && bundle=1
files=$(ls local | wc -l)
[ "$listed" = "$entries" ] && [ "$listed" = "$bundle" ] && [ "$listed" = "$files" ] ||
  { echo "torn: $entries entries, $listed in place, $files files, $bundle in the bundle"; exit 1; }
[ -z "$(find . -name '.reseal-*')" ] || { echo "left over: $(find . -name '.reseal-*')"; exit 1; }
if [ -d state/journal ] && [ -n "$(ls state/journal)" ]; then echo 'a journal is left'; exit 1; fi
[ "$bundle" = 1 ] && echo trusted || echo untrusted
SH
chmod 755 "$fixed/anchors"
store="mkdir local etc hooks certs; cp $fixed/old.ca.pem certs/base.crt; echo base.crt >c.conf
{ echo '#!/bin/sh'; echo \"exec /usr/sbin/update-ca-certificates --localcertsdir \$W/local --etccertsdir \$W/etc --hooksdir \$W/hooks --certsdir \$W/certs --certsconf \$W/c.conf\"; } >update
chmod 755 update; ./update >/dev/null
cat >t.toml <<TOML
[defaults]
state_dir = \"\$W/state\"
[system_store]
directory = \"\$W/local\"
bundle = \"\$W/etc/ca-certificates.crt\"
update = [\"\$W/update\"]
TOML
"
trust="$reseal --config t.toml -q trust"

faults=kill,ENOSPC,EIO,EACCES,EROFS,ENOSPC*,EIO*,EACCES*,EROFS*,short
failed=0
anchors() { # NAME SETUP RUN [ARGUMENT...]
  local name=$1 setup=$2 command=$3; shift 3
  if [ ! -x /usr/sbin/update-ca-certificates ]; then echo "skipped: $name: there is no update-ca-certificates"; return; fi
  echo "== $name"
  python3 "$tool" --setup "$store$setup" --run "$command" --recover "$reseal --config t.toml -q recover" \
    --check "$fixed/anchors $fixed $reseal" --strict --timeout 60 "$@" || failed=1
}
matrix() { # NAME SETUP RUN [ARGUMENT...]
  local name=$1 setup=$2 command=$3; shift 3
  echo "== $name"
  python3 "$tool" --setup "$base$setup" --run "$command" --recover "$recover" --check "$fixed/check $fixed $reseal" \
    --strict --timeout 60 "$@" || failed=1
}
first="$(install old) >/dev/null 2>&1"
hooked="mkdir -p hooks/pre hooks/deploy hooks/post; printf '[hooks]\ndirectory = \"%s\"\n' \"\$W/hooks\" >>r.toml
for it in pre deploy post; do cp $fixed/hook hooks/\$it/a; done; $first"
by_hand="cat $fixed/old.pem >certs/web.pem; cat $fixed/old.key >private/web.key"
case $extent in
  bounded) # every call is killed; the errors at every second one
    matrix install "$first" "$(install new)" --modes kill
    matrix install "$first" "$(install new)" --modes ENOSPC,EIO*,EACCES,short --stride 2
    matrix 'install, hooks' "$hooked" "$(install new)" --modes kill
    matrix restore "$first" "$run restore web 1 --force" --modes kill,EIO --stride 2
    matrix recover "$first; touch die; $(install new) || true" "$run recover" --modes kill,ENOSPC*,EIO --stride 2
    matrix snapshot "$by_hand" "$run snapshot web" --modes kill,EIO --stride 2
    matrix stage "$first" "$(stage new)" --modes kill,ENOSPC,EIO --stride 2
    matrix activate "$first; $(stage new)" "$run activate web" --modes kill
    anchors 'trust install' true "$trust install $fixed/new.ca.pem" --modes kill
    anchors 'trust remove' "$trust install $fixed/new.ca.pem" "$trust remove ca-new" --modes kill
    anchors retire "$trust install $fixed/new.ca.pem" "$reseal --config t.toml -q retire ca-new" --modes kill
    ;;
  full)
    matrix 'first install' true "$(install new)" --modes "$faults"
    matrix install "$first" "$(install new)" --modes "$faults" --nested 1
    matrix 'install, hooks' "$hooked" "$(install new)" --modes kill,short
    matrix 'install, adopted' "$first; $run adopt web >/dev/null" "$(install new)" --modes "$faults"
    matrix adopt "$first" "$run adopt web" --modes "$faults"
    matrix renew "$run ca init demo --permit localhost --passphrase-file $fixed/passphrase >/dev/null" "$run renew web" \
      --modes "$faults"
    matrix restore "$first" "$run restore web 1 --force" --modes "$faults" --nested 3
    matrix recover "$first; touch die; $(install new) || true" "$run recover" --modes "$faults"
    matrix snapshot "$by_hand" "$run snapshot web" --modes "$faults"
    matrix stage "$first" "$(stage new)" --modes "$faults"
    matrix activate "$first; $(stage new)" "$run activate web" --modes "$faults" --nested 1
    anchors 'trust install' true "$trust install $fixed/new.ca.pem" --modes kill,ENOSPC,EIO,short
    anchors 'trust remove' "$trust install $fixed/new.ca.pem" "$trust remove ca-new" --modes kill,ENOSPC,EIO,short
    anchors retire "$trust install $fixed/new.ca.pem" "$reseal --config t.toml -q retire ca-new" --modes kill,ENOSPC,EIO,short
    matrix prune "$first; $(install new); $(install third); $(install old); $(install new)" "$run prune web --keep 1" \
      --modes "$faults"
    ;;
  power)
    for fs in ext4 xfs; do
      matrix "install, power cut, $fs" "$first" "$(install new)" --modes cut,cutlog --fs $fs
      matrix "restore, power cut, $fs" "$first" "$run restore web 1 --force" --modes cut,cutlog --fs $fs
      matrix "recover, power cut, $fs" "$first; touch die; $(install new) || true" "$run recover" --modes cut,cutlog --fs $fs
    done
    matrix 'install, power cut, ext4 noauto_da_alloc' "$first" "$(install new)" --modes cut,cutlog --fs ext4 --mntopt noauto_da_alloc
    matrix 'install, adopted, power cut, ext4' "$first; $run adopt web >/dev/null" "$(install new)" --modes cut,cutlog --fs ext4
    ;;
  *) echo "unknown extent $extent" >&2; exit 2 ;;
esac
exit $failed
