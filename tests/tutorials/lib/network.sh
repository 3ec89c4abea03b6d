# Computers in different places, in place of virtual machines: network namespaces, each joined to the
# service's by a cable (a veth pair) of its own, and to nothing else. They need no privileges where
# user namespaces are allowed, and end with the tutorial, whichever way it ends: the kernel removes a
# namespace, and its cables, when the last process in it is gone.

# How a namespace is made and entered: as root, or in a user namespace of one's own.
make_net=()
enter=(nsenter)

network() {
    need ip unshare nsenter
    if [ "$(id -u)" = 0 ] && unshare --net true 2>/dev/null; then
        make_net=(unshare --net)
    elif unshare --user --map-root-user --net true 2>/dev/null; then
        make_net=(unshare --user --map-root-user --net)
        enter=(nsenter --user --preserve-credentials)
    else
        stop "this machine allows no network namespaces: run the tutorial as root (in a container" \
            "with CAP_SYS_ADMIN and CAP_NET_ADMIN), or allow user namespaces" \
            "(sysctl kernel.unprivileged_userns_clone, kernel.apparmor_restrict_unprivileged_userns)"
    fi
    computer service
    # The others belong to the same user namespace, so that cables may join them.
    make_net=("${at_service[@]}" unshare --net)
}

# Makes a computer without any cable; "at_NAME" is then how commands run there.
computer() {
    local name=$1 tries=0
    "${make_net[@]}" sleep 1800 &
    local holder=$!
    started+=("$holder")
    # It is in the new namespace once it sleeps.
    until [ "$(cat "/proc/$holder/comm" 2>/dev/null)" = sleep ]; do
        [ $((tries += 1)) -le 200 ] || stop "the namespace of $name is not there"
        sleep 0.05
    done
    declare -ga "at_$name=(${enter[*]} --net --target $holder)"
    declare -g "holder_$name=$holder"
    local -n at=at_$name
    "${at[@]}" ip link set lo up
}

# Makes a computer in a place, with a cable to the service: network N, the service is 10.77.N.1 there,
# and the computer 10.77.N.4.
place() {
    local name=$1 number=$2
    computer "$name"
    local -n at=at_$name holder=holder_$name
    "${at_service[@]}" ip link add "$name" type veth peer name eth0 netns "$holder"
    "${at_service[@]}" ip address add "10.77.$number.1/24" dev "$name"
    "${at_service[@]}" ip link set "$name" up
    "${at[@]}" ip address add "10.77.$number.4/24" dev eth0
    "${at[@]}" ip link set eth0 up
}

# Runs a command on a computer, shown with its name.
on() {
    local -n at=at_$1
    local via=("${at[@]}" --) prompt=$1
    shift
    run "$@"
}
