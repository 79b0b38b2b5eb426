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
has_port() { jack_lsp 2>/dev/null | grep -qx "$1"; }

# Ends the server when this shell is gone, a moment later: while clients go it may not find its way out, and
# then it stays in JACK's list of eight.
guard_server() {
    sh -c 'while kill -0 "$1" && kill -0 "$2"; do sleep 1; done; sleep 1; kill "$2"' guard $$ "$server" \
        </dev/null >/dev/null 2>&1 &
}

start_server() {  # RATE PERIOD LOG; with real-time priority where that is allowed
    for realtime in --realtime --no-realtime; do
        jackd --name "$JACK_DEFAULT_SERVER" $realtime -d dummy -r "$1" -p "$2" >"$3" 2>&1 &
        server=$!
        guard_server
        if wait_for 5 jack_lsp; then return; fi
        stop_server
    done
    return 1
}

stop_server() {  # [SIGNAL]
    [ -n "$server" ] || return 0
    kill -"${1:-TERM}" "$server" 2>/dev/null
    wait "$server" 2>/dev/null
    server=
    rm -f /dev/shm/jack_sem.*_"$JACK_DEFAULT_SERVER"_*  # of clients that were killed
}
