# The local service, in place of a provisioning service in the cloud.

# Starts it with these arguments, by the command in "started_by" if there is one, and waits for it.
# Then id_scope, and the ports mqtt, amqp and https are known, and the command can manage it.
service() {
    printf '$ %s &\n' "$(typed dps emulator "$@" --ca-out ca.pem --ready-file ready.json)"
    rm -f ready.json
    "${started_by[@]}" "$DPS" emulator "$@" --ca-out ca.pem --ready-file ready.json >service.log 2>&1 &
    started+=($!)
    service=$!
    local tries=0
    until [ -e ready.json ]; do
        if ! kill -0 "$service" 2>/dev/null || [ $((tries += 1)) -gt 600 ]; then
            cat service.log
            stop "the service does not start"
        fi
        sleep 0.05
    done
    id_scope=$(member ready.json idScope)
    mqtt=$(member ready.json mqtt port)
    amqp=$(member ready.json amqp port)
    https=$(member ready.json https port)
    DPS_CONNECTION_STRING=$(member ready.json connectionString)
    export DPS_CONNECTION_STRING
    printf '# It listens; ID scope %s, hubs %s\n' "$id_scope" "$(member ready.json hubs)"
}
started_by=()

# Stops it, as deleting the resource does in the cloud: what it knew is gone.
service_ends() {
    printf '$ kill %s\n' "$service"
    kill "$service"
    local code=0
    wait "$service" || code=$?
    [ "$code" = 0 ] || stop "the service ended with exit code $code"
}
