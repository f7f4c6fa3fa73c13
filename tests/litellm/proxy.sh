#!/usr/bin/env bash
# A real LiteLLM proxy on loopback, with the mock models of litellm-proxy.yaml.
#   proxy.sh install              its virtual environment, once (about a minute and 740 MB)
#   proxy.sh start STATE_FOLDER   starts it on a free port, waits until it answers, and prints its address
#   proxy.sh stop STATE_FOLDER    ends it
# The master key is LLM_CALL_TEST_LITELLM_KEY, or sk-llm-call-test. Tests find the proxy through LLM_CALL_TEST_LITELLM.
set -euo pipefail

# prisma: without it a wrong key is answered with 500 instead of 401. httptools: the server's HTTP parser.
packages=('litellm[proxy]==1.106.2' 'prisma==0.15.0' 'httptools==0.9.0')
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
venv=${XDG_CACHE_HOME:-$HOME/.cache}/llm-call-ci/litellm

install() {
    local wanted="${packages[*]}"
    # Written last: a broken-off installation is done again.
    if [ "$(cat "$venv/installed" 2>/dev/null)" = "$wanted" ]; then return; fi
    mkdir -p "$(dirname "$venv")"
    python3 -m venv "$venv"
    "$venv/bin/pip" install --quiet --disable-pip-version-check "${packages[@]}"
    echo "$wanted" >"$venv/installed"
}

answers() {
    "$venv/bin/python" -c 'import sys, urllib.request as r; r.urlopen(sys.argv[1], timeout=2)' "$1" 2>/dev/null
}

start() {
    local state=$1 port pid
    mkdir -p "$state"
    port=$("$venv/bin/python" -c 'import socket; s = socket.socket(); s.bind(("127.0.0.1", 0)); print(s.getsockname()[1])')
    export LITELLM_MASTER_KEY=${LLM_CALL_TEST_LITELLM_KEY:-sk-llm-call-test}
    export LITELLM_LOCAL_MODEL_COST_MAP=True LITELLM_LOG=ERROR LITELLM_TELEMETRY=False
    # A process group of its own, so that stop ends its workers too.
    setsid "$venv/bin/litellm" --config "$here/litellm-proxy.yaml" --host 127.0.0.1 --port "$port" \
        >"$state/proxy.log" 2>&1 </dev/null &
    pid=$!
    echo "$pid" >"$state/proxy.pid"
    for _ in $(seq 1 120); do
        if answers "http://127.0.0.1:$port/health/readiness"; then
            echo "http://127.0.0.1:$port"
            return
        fi
        kill -0 "$pid" 2>/dev/null || break
        sleep 0.5
    done
    tail -n 20 "$state/proxy.log" >&2
    echo "the LiteLLM proxy did not start" >&2
    stop "$state"
    return 1
}

stop() {
    local state=$1 pid
    [ -f "$state/proxy.pid" ] || return 0
    pid=$(cat "$state/proxy.pid")
    rm -f "$state/proxy.pid"
    kill -TERM -- "-$pid" 2>/dev/null || kill -TERM "$pid" 2>/dev/null || true
}

case ${1:-} in
install) install ;;
start) start "${2:?a state folder}" ;;
stop) stop "${2:?a state folder}" ;;
*)
    sed -n '2,6s/^# \{0,1\}//p' "${BASH_SOURCE[0]}" >&2
    exit 2
    ;;
esac
