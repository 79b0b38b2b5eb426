# SPDX-License-Identifier: ISC
# A JACK server of one's own on no sound card, for tests and for the demo; to be sourced. Its name is
# $JACK_DEFAULT_SERVER. It goes when the shell goes, even when that is killed.
server=

# In front of a command: a client of the server that ends when this shell does, even when that is killed.
tied=
if setpriv --pdeathsig TERM true 2>/dev/null; then tied='setpriv --pdeathsig TERM'; fi

wait_for() {  # SECONDS COMMAND...: until the command is true
    tries=$((20 * $1)); shift
    while ! "$@" >/dev/null 2>&1; do
        tries=$((tries - 1))
        [ "$tries" -gt 0 ] || return 1
        sleep 0.05
    done
}

has_ended() { ! kill -0 "$1" 2>/dev/null; }
# Now and then it waits for itself when it closes (a deadlock in JACK's library, 1.9.21).
jack_lsp() { timeout 5 jack_lsp "$@"; }
# What jack_player saw of them: as JACK tells, or as its clock shows, whichever are more.
count_xruns() {  # PLAYED
    awk '$1 == "xrun" {told++} $1 == "hole" {shown++} END {print (told > shown ? told : shown) + 0}' "$1"
}
has_port() { jack_lsp 2>/dev/null | grep -qx "$1"; }

# Ends the server when this shell is gone, a moment later: while clients go it may not find its way out, and
# then it stays in JACK's list of eight.
guard_server() {
    sh -c 'while kill -0 "$1" && kill -0 "$2"; do sleep 1; done; sleep 1; kill "$2"' guard $$ "$server" \
        </dev/null >/dev/null 2>&1 &
}

# A server that was killed stays in JACK's list, and when eight have, no server starts any more, the user's neither.
# It goes when another of its name ends well: here, those of our shells that are gone.
clear_list() {
    for name in $(grep -aoE "jack-$(id -u):fenby-[a-z]+-[0-9]+" /dev/shm/jack-shm-registry 2>/dev/null | cut -d : -f 2); do
        kill -0 "${name##*-}" 2>/dev/null && continue
        jackd --name "$name" --no-realtime -d dummy >/dev/null 2>&1 &
        JACK_DEFAULT_SERVER=$name wait_for 5 jack_lsp
        kill $! 2>/dev/null
        wait $! 2>/dev/null
        rm -f /dev/shm/jack_sem.*_"$name"_* "/dev/shm/jack_${name}_"*
    done
}

# From now on the server is PipeWire, and programs find its JACK library.
use_pipewire() {  # FOLDER
    export PIPEWIRE_RUNTIME_DIR=$1 PIPEWIRE_REMOTE=$JACK_DEFAULT_SERVER
    export LD_LIBRARY_PATH='/usr/${LIB}/pipewire-0.3/jack'
}

start_pipewire() {  # RATE PERIOD LOG
    cat >"$PIPEWIRE_RUNTIME_DIR/server.conf" <<END
context.properties = {
    core.daemon = true  core.name = $PIPEWIRE_REMOTE  support.dbus = false
    default.clock.rate = $1  default.clock.allowed-rates = [ $1 ]
    default.clock.quantum = $2  default.clock.min-quantum = $2  default.clock.max-quantum = $2
}
context.spa-libs = { audio.convert.* = audioconvert/libspa-audioconvert  support.* = support/libspa-support }
context.modules = [
    { name = libpipewire-module-rt  args = { nice.level = -11 }  flags = [ ifexists nofail ] }
    { name = libpipewire-module-protocol-native }
    { name = libpipewire-module-metadata }
    { name = libpipewire-module-spa-node-factory }
    { name = libpipewire-module-client-node }
    { name = libpipewire-module-access }
    { name = libpipewire-module-adapter }
    { name = libpipewire-module-link-factory }
]
context.objects = [
    { factory = metadata  args = { metadata.name = default } }
    { factory = spa-node-factory  args = {
        factory.name = support.node.driver  node.name = Driver  node.group = pipewire.dummy
        priority.driver = 20000 } }
]
END
    PIPEWIRE_CONFIG_DIR=$PIPEWIRE_RUNTIME_DIR pipewire -c server.conf >"$3" 2>&1 &
    server=$!
    guard_server
    wait_for 5 jack_lsp
}

# With real-time priority where that is allowed. It waits in each period until all clients are done, so what a busy
# machine holds up is late, and nothing is lost on the way. JACK's default is another: it goes on without a client
# that is too slow, and that one's neighbours miss what it sent.
start_server() {  # RATE PERIOD LOG [asynchronous|synchronous]
    if [ -n "${PIPEWIRE_RUNTIME_DIR:-}" ]; then start_pipewire "$@"; return; fi
    clear_list
    sync=--sync
    [ "${4:-}" != asynchronous ] || sync=
    for realtime in --realtime --no-realtime; do
        jackd --name "$JACK_DEFAULT_SERVER" $realtime $sync -d dummy -r "$1" -p "$2" >"$3" 2>&1 &
        server=$!
        guard_server
        if wait_for 5 jack_lsp; then return; fi
        stop_server
    done
    return 1
}

set_period() {  # FRAMES
    if [ -n "${PIPEWIRE_RUNTIME_DIR:-}" ]; then pw-metadata -n settings 0 clock.force-quantum "$1"
    else jack_bufsize "$1"; fi >/dev/null 2>&1
}

stop_server() {  # [SIGNAL]
    [ -n "$server" ] || return 0
    kill -"${1:-TERM}" "$server" 2>/dev/null
    wait "$server" 2>/dev/null
    server=
    rm -f /dev/shm/jack_sem.*_"$JACK_DEFAULT_SERVER"_*  # of clients that were killed
}
