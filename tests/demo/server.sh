# shellcheck shell=sh
# Sourced: serve a folder by nginx on a free loopback port.
#   server_start FOLDER STATE_DIR   sets SERVER_URL; access log: STATE_DIR/access.log
#   server_stop STATE_DIR

server_start() {
    server_root=$1 server_dir=$2
    nginx=$(command -v nginx || echo /usr/sbin/nginx)
    [ -x "$nginx" ] || { echo "nginx is not installed (make deps)"; return 1; }
    mkdir -p "$server_dir"
    server_user=
    [ "$(id -u)" = 0 ] && server_user='user root;'
    [ "$(uname -s)" = Darwin ] && [ "$(id -u)" = 0 ] && server_user='user root wheel;'
    tries=0
    port=$((20000 + $$ % 20000))
    while :; do
        cat >"$server_dir/nginx.conf" <<CONF
$server_user
worker_processes 1;
pid $server_dir/nginx.pid;
error_log $server_dir/error.log;
events { worker_connections 64; }
http {
    access_log $server_dir/access.log;
    client_body_temp_path $server_dir/t1;
    proxy_temp_path $server_dir/t2;
    fastcgi_temp_path $server_dir/t3;
    uwsgi_temp_path $server_dir/t4;
    scgi_temp_path $server_dir/t5;
    sendfile on;
    server { listen 127.0.0.1:$port; root "$server_root"; }
}
CONF
        if "$nginx" -p "$server_dir" -c "$server_dir/nginx.conf" >"$server_dir/start.log" 2>&1; then
            break
        fi
        tries=$((tries + 1))
        [ $tries -lt 20 ] || { cat "$server_dir/start.log"; return 1; }
        port=$((port + 37))
    done
    # shellcheck disable=SC2034 # for who sources this
    SERVER_URL=http://127.0.0.1:$port
}

server_stop() {
    if [ -s "$1/nginx.pid" ]; then
        kill "$(cat "$1/nginx.pid")" 2>/dev/null || :
    fi
}
