# C programs, built by CMake as the documents have it. Unoptimised, in cargo's own target folder: so
# cargo compiles what it has not compiled yet, and no more. One tutorial builds at a time, since
# libdps.a is at the same place for all, with different parts in it.

c_folder=$CARGO_TARGET_DIR/tutorials/$tutorial
c_settings=(-DDPS_CARGO_PROFILE=dev "-DDPS_CARGO_TARGET_DIR=$CARGO_TARGET_DIR"
    -DDPS_CARGO_FLAGS=--locked -DDPS_SHARED=OFF -DDPS_INSTALL=OFF)

# Configures the project in a build folder of this name, with these options as the document has them.
configure() {
    local name=$1
    shift
    need cmake cc cargo flock
    local folder=$c_folder/$name
    rm -rf "$folder"
    mkdir -p "$folder"
    printf '# In a new folder, %s; also given: %s\n' "$name" "$(typed "${c_settings[@]}")"
    printf '$ %s\n' "$(typed cmake "$@" ..)"
    local code=0
    cmake "${c_settings[@]}" "$@" -S "$root" -B "$folder" >said 2>&1 || code=$?
    cat said
    [ "$code" = 0 ] || stop "cmake has failed"
    says "-- Configuring done" "-- Generating done" "-- Build files have been written to: $folder"
}

# Builds targets there.
build() {
    local name=$1
    shift
    printf '$ %s\n' "$(typed cmake --build . --target "$@")"
    flock "$c_folder/../lock" cmake --build "$c_folder/$name" --target "$@" >said 2>&1 || {
        cat said
        stop "the build has failed"
    }
    tail -n 1 said
}

# The path of a sample in a build folder, or of a tool.
sample() {
    printf '%s\n' "$c_folder/$1/provisioning_client/samples/$2/$2"
}
tool() {
    printf '%s\n' "$c_folder/$1/provisioning_client/tools/$2/$2"
}
