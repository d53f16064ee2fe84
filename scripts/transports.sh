# What tests over tls and ssh need, below $scratch: certificates, keys, an sshd of our own. Sourced after testing.sh.
# shellcheck shell=bash

# An address nobody else listens on: ports on it are free.
loopback_address() {
    echo "127.$((RANDOM % 200 + 20)).$((RANDOM % 250 + 1)).$((RANDOM % 250 + 1))"
}

# NAME: NAME.crt and NAME.key, which sign others
authority() {
    openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -keyout "$scratch/$1.key" \
        -out "$scratch/$1.crt" -subj "/CN=$1" -days 2 >>"$scratch/openssl.log" 2>&1
}

# NAME CN AUTHORITY: NAME.crt and NAME.key
certificate() {
    openssl req -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -keyout "$scratch/$1.key" -out "$scratch/$1.csr" \
        -subj "/CN=$2" &&
        openssl x509 -req -in "$scratch/$1.csr" -CA "$scratch/$3.crt" -CAkey "$scratch/$3.key" -CAcreateserial \
            -out "$scratch/$1.crt" -days 2
} >>"$scratch/openssl.log" 2>&1

# FILE ADDRESS: both sides of tls
tls_config() {
    cat >"$1" <<-END
	connect: {type: tls, address: "$2", ca: "$scratch/ca.crt", cert: "$scratch/client1.crt",
	  key: "$scratch/client1.key", server_cn: server1}
	serve: {type: tls, listen: "$2", ca: "$scratch/ca.crt", cert: "$scratch/server1.crt",
	  key: "$scratch/server1.key", client_cns: [client1]}
	END
}

make_certificates() {
    authority ca && certificate server1 server1 ca && certificate client1 client1 ca
}

# ADDRESS: an sshd there, on port 2222; its id is in $sshd. What a key may do is said by ssh_config. A shell that bash
# takes for a remote one reads the files of the user who runs the tests, hence SHLVL. The key exchange that sshd prefers
# takes eight times the processor time of this one, for every connection.
start_sshd() {
    sshd_address=$1
    ssh-keygen -q -t ed25519 -N '' -f "$scratch/host" || return 1
    echo "[$1]:2222 $(cat "$scratch/host.pub")" >"$scratch/known_hosts"
    : >"$scratch/authorized_keys"
    chmod 600 "$scratch/authorized_keys"
    [ "$(id -u)" != 0 ] || mkdir -p /run/sshd
    printf '%s\n' 'Port 2222' "ListenAddress $1" "HostKey $scratch/host" 'PidFile none' 'UsePAM no' 'StrictModes no' \
        "AuthorizedKeysFile $scratch/authorized_keys" 'PasswordAuthentication no' 'KbdInteractiveAuthentication no' \
        'PermitRootLogin yes' 'MaxStartups 100' 'UseDNS no' 'SetEnv SHLVL=1' \
        'KexAlgorithms curve25519-sha256' >"$scratch/sshd_config"
    "$(command -v sshd || echo /usr/sbin/sshd)" -D -e -f "$scratch/sshd_config" 2>"$scratch/sshd.log" &
    sshd=$!
    for _ in {1..2000}; do
        grep -q 'Server listening' "$scratch/sshd.log" && return 0
        sleep 0.05
    done
    cat "$scratch/sshd.log"
    return 1
}

# FILE COMMAND: both sides of ssh, with a key of its own, for which sshd runs COMMAND
ssh_config() {
    ssh-keygen -q -t ed25519 -N '' -f "$1.key" && mkdir -m 700 "$1.sock" || return 1
    echo "command=\"$2\",restrict $(cat "$1.key.pub")" >>"$scratch/authorized_keys"
    cat >"$1" <<-END
	connect: {type: ssh+stdinserver, host: $sshd_address, user: $(id -un), port: 2222, identity_file: $1.key,
	  options: ["UserKnownHostsFile=$scratch/known_hosts", "StrictHostKeyChecking=yes", "LogLevel=ERROR"]}
	serve: {type: stdinserver, client_identities: [client1]}
	global: {serve: {stdinserver: {sockdir: $1.sock}}}
	END
}
