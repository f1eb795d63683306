#!/bin/bash
# boot.sh - run a command under a REAL systemd (PID 1 of a throw-away container), as root.
#
#   boot.sh [options] -- CMD [ARG...]
#     --mode unshare|nspawn   how the container is made (default unshare: needs no extra package)
#     --net  none|host        loopback-only network namespace (default) / the host's network
#     --bind    SRC[:DST]     bind a host path read-write into the container (repeatable)
#     --bind-ro SRC[:DST]     same, read-only
#     --unit-dir DIR          copy DIR/* into /etc/systemd/system before boot (repeatable)
#     --timeout SEC           stop CMD after SEC seconds, exit 124 (default 120)
#     --root TAR              the root file system of the container, instead of the host's /usr and a bare /etc (unshare mode)
#     --out DIR               DIR appears as /out inside and gets journal.txt (default: a temp dir, removed)
#     --pid1-env K=V          put K=V into PID 1's environment (unshare mode; e.g. SYSTEMD_TPM2_DEVICE=swtpm:...)
#     -v                      also show PID 1's early log and the whole journal on stderr
#
# CMD runs as root in go.service once basic.target is reached; its stdout+stderr are streamed to our
# stdout; its exit status is our exit status (128+N if killed by signal N, 124 on timeout, 125 if the
# container never ran it).  The root file system is a tmpfs in a private mount namespace; /usr is the
# host's /usr, read-only.  PID 1 of the machine may be anything; its cgroups hybrid or pure v2 (some
# cgroup2 mount must exist).  No logind, udev, debootstrap or network; dbus only if CMD uses systemd-run.
# Tested: Debian 12, systemd 252.38/252.39, bash 5.2, util-linux 2.38.1, kernel 6.18.  Needs merged /usr.
set -eu
export PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin

# ============================================================ stage 2: PID 1 of the new PID namespace
if [ "${1-}" = __stage2 ]; then
    R=$2/root
    mount -n -t tmpfs -o mode=755 tmpfs /run               # hide the host's /run (nspawn and libmount write there)
    mount -n -t proc proc /proc
    [ "$(stat -fc %T /sys/fs/cgroup)" = cgroup2fs ] ||     # hide a v1/hybrid tree behind a pure v2 one
        mount -n -t cgroup2 cgroup2 /sys/fs/cgroup
    mount -n -t tmpfs -o mode=755 tmpfs "$R"
    [ -z "$SDT_ROOT" ] || tar -C "$R" -xf "$SDT_ROOT"
    cp -a "$2/skel/." "$R/"
    CGP=/sys/fs/cgroup$SDT_CG
    if [ "$SDT_MODE" = nspawn ]; then
        echo 0 > "$CGP/cgroup.procs"
        export SYSTEMD_NSPAWN_UNIFIED_HIERARCHY=1
        set --
        [ "$SDT_NET" = host ] || set -- --private-network
        while IFS=$'\t' read -r kind src dst; do set -- "$@" "--$kind=$src:$dst"; done < "$SDT_TMP/binds"
        # --capability/--system-call-filter: without them IPAddressDeny=, memfd_secret and keyrings fail inside
        exec "${SDT_NSPAWN:-systemd-nspawn}" -q -b -D "$R" --register=no --keep-unit --settings=no \
            --link-journal=no --resolv-conf=off --timezone=off --console=read-only \
            --capability=all --system-call-filter="@keyring bpf memfd_secret" --bind-ro=/usr "$@"
    fi
    # ---- mode unshare: do by hand what nspawn does
    [ -n "$SDT_ROOT" ] || { mount -n --rbind /usr "$R/usr"; mount -n -o remount,bind,ro "$R/usr"; }
    mount -n -t proc -o nosuid,nodev,noexec proc "$R/proc"
    for p in sys sysrq-trigger irq bus fs acpi; do         # no sysctl/sysrq from inside may reach the host
        [ -e "$R/proc/$p" ] || continue
        mount -n --bind "$R/proc/$p" "$R/proc/$p"
        mount -n -o remount,bind,ro,nosuid,nodev,noexec "$R/proc/$p"
    done
    mount -n -t sysfs -o ro,nosuid,nodev,noexec sysfs "$R/sys"
    echo 0 > "$CGP/payload/cgroup.procs"
    mount -n -t tmpfs -o nosuid,mode=755,size=4m tmpfs "$R/dev"
    for n in "null 1 3" "zero 1 5" "full 1 7" "random 1 8" "urandom 1 9" "tty 5 0"; do
        set -- $n; mknod -m 666 "$R/dev/$1" c "$2" "$3"
    done
    mkdir "$R/dev/pts" "$R/dev/shm" "$R/dev/mqueue"
    mount -n -t devpts -o newinstance,ptmxmode=0666,mode=620,gid=5 devpts "$R/dev/pts"
    ln -s pts/ptmx "$R/dev/ptmx"
    mount -n -t tmpfs -o nosuid,nodev,mode=1777 tmpfs "$R/dev/shm"
    mount -n -t tmpfs -o nosuid,nodev,mode=1777 tmpfs "$R/tmp"
    mount -n -t tmpfs -o nosuid,nodev,mode=755 tmpfs "$R/run"
    ln -s /proc/self/fd "$R/dev/fd"
    for i in "0 stdin" "1 stdout" "2 stderr"; do set -- $i; ln -s "/proc/self/fd/$1" "$R/dev/$2"; done
    : > "$R/dev/kmsg"; mount -n --bind "$SDT_TMP/kmsg" "$R/dev/kmsg"      # a FIFO: PID 1's early log
    while IFS=$'\t' read -r kind src dst; do
        if [ -d "$src" ]; then mkdir -p "$R$dst"; else mkdir -p "$(dirname "$R$dst")"; : > "$R$dst"; fi
        mount -n --rbind "$src" "$R$dst"
        [ "$kind" = bind ] || mount -n -o remount,bind,ro "$R$dst"
    done < "$SDT_TMP/binds"
    cd "$R"; mkdir .old; pivot_root . .old
    # New cgroup namespace rooted at payload/, cgroup2 mounted from inside it; drop the old root; make / shared
    # (PID 1 expects that of its container manager: else LoadCredential= mounts never reach the service).
    exec unshare --cgroup -- /bin/sh -c '
        mount -n -t cgroup2 -o nosuid,nodev,noexec cgroup2 /sys/fs/cgroup && umount -n -l /.old && rmdir /.old &&
        cd / && mount -n --make-rshared / &&
        exec env -i PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin container=sdtest TERM=dumb "$@" \
            /lib/systemd/systemd --system --show-status=no --log-target='"$SDT_LOGT" sh ${SDT_PIDENV:+"$SDT_PIDENV"}
fi

# ============================================================ stage 1: the host side
MODE=unshare NET=none TIMEOUT=120 OUT='' ROOT='' VERBOSE=0 PIDENV=''; BINDS=() UNITS=()
while [ $# -gt 0 ]; do case $1 in
    --mode) MODE=$2; shift 2;;              --net) NET=$2; shift 2;;
    --bind) BINDS+=("bind $2"); shift 2;;   --bind-ro) BINDS+=("bind-ro $2"); shift 2;;
    --root) ROOT=$(readlink -f "$2"); shift 2;;
    --unit-dir) UNITS+=("$2"); shift 2;;    --timeout) TIMEOUT=$2; shift 2;;
    --out) mkdir -p "$2"; OUT=$(readlink -f "$2"); shift 2;;   --pid1-env) PIDENV=$2; shift 2;;
    -v) VERBOSE=1; shift;;   --) shift; break;;   *) echo "boot.sh: bad option $1" >&2; exit 2;;
esac; done
[ $# -gt 0 ] || { echo "boot.sh: no command" >&2; exit 2; }
[ "$(id -u)" = 0 ] || { echo "boot.sh: must be root" >&2; exit 2; }
SELF=$(readlink -f "$0")
CG2=$(awk '$3=="cgroup2"{print $2; exit}' /proc/mounts)    # v2: /sys/fs/cgroup, hybrid: /sys/fs/cgroup/unified
[ -n "$CG2" ] || { echo "boot.sh: no cgroup2 mount" >&2; exit 2; }

# leftovers of an earlier run that was itself SIGKILLed (its processes died with it; see --pdeathsig below)
for d in /tmp/sdtest.????????; do
    [ -e "$d/pid" ] && ! kill -0 "$(cat "$d/pid")" 2>/dev/null || continue
    find "$CG2/${d##*/}" -depth -type d -exec rmdir {} + 2>/dev/null || :
    rm -rf --one-file-system "$d"
done

TMP='' CG='' PID='' KIDS=()
cleanup() {
    trap '' HUP INT TERM; set +e
    [ -n "$TMP" ] || return; CG=/${TMP##*/}
    [ -n "$PID" ] && kill -KILL "$PID" 2>/dev/null         # unshare; --kill-child takes the PID namespace down
    [ -e "$CG2$CG/cgroup.kill" ] && echo 1 > "$CG2$CG/cgroup.kill"
    [ -n "$PID" ] && wait "$PID" 2>/dev/null
    [ ${#KIDS[@]} = 0 ] || { kill "${KIDS[@]}" 2>/dev/null; wait "${KIDS[@]}" 2>/dev/null; }
    for _ in $(seq 100); do
        find "$CG2$CG" -depth -type d -exec rmdir {} + 2>/dev/null
        [ -d "$CG2$CG" ] || break; sleep 0.02
    done
    rm -rf --one-file-system "$TMP"
}
trap cleanup EXIT; trap 'exit 130' INT; trap 'exit 143' TERM; trap 'exit 129' HUP
TMP=$(mktemp -d /tmp/sdtest.XXXXXXXX); CG=/${TMP##*/}; echo $$ > "$TMP/pid"
mkdir "$CG2$CG"
if [ "$MODE" = unshare ]; then
    mkdir "$CG2$CG/payload"
    for c in $(cat "$CG2$CG/cgroup.controllers"); do echo "+$c" > "$CG2$CG/cgroup.subtree_control" || :; done
fi
[ -n "$OUT" ] || { OUT=$TMP/out; mkdir "$OUT"; }

# ---- skeleton of the root file system
K=$TMP/skel; mkdir -p "$TMP/root" "$K"/{usr,etc,var,run,tmp,proc,sys,dev,root,home,opt,out}
mkdir -p "$K"/etc/systemd/{system/test.target.wants,system-generators,system.conf.d,journald.conf.d}
chmod 1777 "$K/tmp"; chmod 700 "$K/root"
if [ -z "$ROOT" ]; then
    for l in bin sbin lib lib32 lib64 libx32; do if [ -L /$l ]; then ln -s "usr/$l" "$K/$l"; fi; done
    cp -L /etc/os-release /etc/passwd /etc/group /etc/nsswitch.conf /etc/ld.so.cache "$K/etc/"
    for f in ld.so.conf ld.so.conf.d alternatives ssl localtime; do if [ -e "/etc/$f" ]; then cp -a "/etc/$f" "$K/etc/"; fi; done
    sed -i -E 's/^(passwd|group):.*/\1: files systemd/' "$K/etc/nsswitch.conf"   # names of DynamicUser= users
fi
printf '127.0.0.1 localhost\n::1 localhost\n' > "$K/etc/hosts"; echo sdtest > "$K/etc/hostname"
if [ "$NET" = host ] && [ -e /etc/resolv.conf ]; then cp -L /etc/resolv.conf "$K/etc/"; fi
: > "$K/etc/fstab"; tr -d - < /proc/sys/kernel/random/uuid > "$K/etc/machine-id"
printf '[Journal]\nStorage=volatile\nRateLimitIntervalSec=0\nReadKMsg=no\nAudit=no\n' > "$K/etc/systemd/journald.conf.d/t.conf"
printf '[Manager]\nDefaultTimeoutStopSec=10s\nShowStatus=no\nStatusUnitFormat=name\n' > "$K/etc/systemd/system.conf.d/t.conf"
S=$K/etc/systemd/system
for u in systemd-firstboot.service systemd-update-utmp.service systemd-timesyncd.service timers.target \
    systemd-journal-flush.service systemd-sysctl.service systemd-binfmt.service systemd-modules-load.service \
    systemd-random-seed.service systemd-machine-id-commit.service systemd-pstore.service systemd-udevd.service \
    systemd-udev-trigger.service systemd-resolved.service systemd-networkd.service systemd-logind.service \
    systemd-remount-fs.service systemd-sysusers.service systemd-tmpfiles-setup-dev.service \
    systemd-ask-password-wall.path systemd-ask-password-console.path proc-sys-fs-binfmt_misc.automount \
    dev-hugepages.mount sys-fs-fuse-connections.mount sys-kernel-config.mount sys-kernel-debug.mount \
    sys-kernel-tracing.mount systemd-initctl.socket kmod-static-nodes.service ldconfig.service \
    systemd-update-done.service systemd-journal-catalog-update.service systemd-hwdb-update.service \
    modprobe@.service apparmor.service keyboard-setup.service console-setup.service procps.service; do
    ln -s /dev/null "$S/$u"; done
for g in /usr/lib/systemd/system-generators/*; do          # only our own units count
    if [ -e "$g" ]; then ln -s /dev/null "$K/etc/systemd/system-generators/${g##*/}"; fi; done
printf '[Unit]\nDescription=Test target\nRequires=basic.target\nAfter=basic.target\n' > "$S/test.target"
ln -s test.target "$S/default.target"
{ printf '#!/bin/bash\nexec'; printf ' %q' "$@"; echo; } > "$K/etc/go.sh"; chmod 755 "$K/etc/go.sh"
cat > "$S/go.service" <<E
[Unit]
Description=The test command
After=test.target
SuccessAction=exit
FailureAction=exit
[Service]
Type=exec
WorkingDirectory=/root
Environment=HOME=/root LC_ALL=C.UTF-8 TMPDIR=/tmp
StandardOutput=append:/out/.log
StandardError=append:/out/.log
RuntimeMaxSec=$TIMEOUT
ExecStart=/etc/go.sh
ExecStopPost=-/bin/sh -c 'journalctl --sync; journalctl -b -o short-precise --no-pager > /out/journal.txt 2>&1; echo "\$SERVICE_RESULT \$EXIT_CODE \$EXIT_STATUS" > /out/.rc'
E
ln -s ../go.service "$S/test.target.wants/go.service"
for d in ${UNITS[@]+"${UNITS[@]}"}; do cp -a "$d/." "$S/"; done
printf 'bind\t%s\t/out\n' "$OUT" > "$TMP/binds"
for b in ${BINDS[@]+"${BINDS[@]}"}; do k=${b%% *} p=${b#* }
    printf '%s\t%s\t%s\n' "$k" "$(readlink -f "${p%%:*}")" "${p##*:}" >> "$TMP/binds"; done

# ---- boot
: > "$OUT/.log"; rm -f "$OUT/.rc" "$OUT/journal.txt"; : > "$TMP/console"
mkfifo "$TMP/kmsg"; exec 9<>"$TMP/kmsg"
setpriv --pdeathsig KILL cat <&9 >>"$TMP/console" 9>&- & KIDS+=($!)
NS=(--mount --propagation private --pid --fork --kill-child=SIGKILL)
LOGT=journal-or-kmsg
if [ "$MODE" = unshare ]; then NS+=(--uts --ipc); [ "$NET" = host ] || NS+=(--net); fi
SDT_MODE=$MODE SDT_NET=$NET SDT_ROOT=$ROOT SDT_CG=$CG SDT_TMP=$TMP SDT_LOGT=$LOGT SDT_PIDENV=$PIDENV \
    setpriv --pdeathsig KILL unshare "${NS[@]}" bash "$SELF" __stage2 "$TMP" </dev/null >>"$TMP/console" 2>&1 9>&- &
PID=$!
setpriv --pdeathsig KILL sleep $((TIMEOUT + 30)) 9>&- & KIDS+=($!)            # hard limit: PID 1 itself hangs
tail -q -n +1 -s 0.05 -f --pid=$PID "$OUT/.log" 2>/dev/null 9>&- & TAIL=$!
wait -n "$PID" "${KIDS[1]}" || :
kill -0 "$PID" 2>/dev/null && { echo "boot.sh: hard timeout" >&2; kill -KILL "$PID"; }
rc=0; wait "$PID" || rc=$?
wait "$TAIL" 2>/dev/null || :
if [ -e "$OUT/.rc" ]; then
    read -r res code st < "$OUT/.rc"
    case $res:$code in timeout:*) rc=124;; *:killed|*:dumped) rc=$((128 + $(kill -l "$st")));; esac
else
    echo "boot.sh: the command never finished (container exit $rc)" >&2; rc=125; VERBOSE=1
fi
if [ $VERBOSE = 1 ]; then sleep 0.1; cat "$TMP/console" >&2; [ -e "$OUT/journal.txt" ] && cat "$OUT/journal.txt" >&2; fi
exit $rc
