"""Registers with Microsoft's own Python client, unmodified, connects to the assigned hub, and does
there what a device does. Prints what it saw as JSON.

Arguments: host, ID scope, registration id, file with the key, file with the CA certificate, and
perhaps --websockets for MQTT in WebSockets; a file of certificates after --x509, and the key is
that of the first one, in PEM.

Once it listens, it reports the property "listening". It ends when a message, desired properties and
a method have come.
"""

import json
import socket
import sys
import threading

from azure.iot.device import (
    IoTHubDeviceClient,
    Message,
    MethodResponse,
    ProvisioningDeviceClient,
    X509,
)

# Names below localhost are this machine (RFC 6761 section 6.3), which not every system's resolver
# knows.
resolve = socket.getaddrinfo


def resolve_localhost(host, *rest, **more):
    below = isinstance(host, str) and host.endswith(".localhost")
    return resolve("127.0.0.1" if below else host, *rest, **more)


socket.getaddrinfo = resolve_localhost

host, scope, registration_id, key_file, ca_file = sys.argv[1:6]
rest = sys.argv[6:]
with open(ca_file) as file:
    ca = file.read()
common = {"server_verification_cert": ca}
if rest[:1] == ["--websockets"]:
    common["websockets"] = True
    rest = rest[1:]
provisioning = {
    "provisioning_host": host,
    "registration_id": registration_id,
    "id_scope": scope,
    **common,
}
if rest[:1] == ["--x509"]:
    x509 = X509(cert_file=rest[1], key_file=key_file)
    state = (
        ProvisioningDeviceClient.create_from_x509_certificate(x509=x509, **provisioning)
        .register()
        .registration_state
    )
    client = IoTHubDeviceClient.create_from_x509_certificate(
        x509=x509, hostname=state.assigned_hub, device_id=state.device_id, **common
    )
else:
    with open(key_file) as file:
        key = file.read().strip()
    state = (
        ProvisioningDeviceClient.create_from_symmetric_key(symmetric_key=key, **provisioning)
        .register()
        .registration_state
    )
    client = IoTHubDeviceClient.create_from_symmetric_key(
        symmetric_key=key, hostname=state.assigned_hub, device_id=state.device_id, **common
    )

seen = {}
all_seen = {name: threading.Event() for name in ("message", "desired", "method")}


def on_message(message):
    seen["message"] = {
        "data": message.data.decode(),
        "id": message.message_id,
        "properties": message.custom_properties,
    }
    all_seen["message"].set()


def on_desired(patch):
    seen["desired"] = patch
    all_seen["desired"].set()


def on_method(request):
    seen["method"] = {"name": request.name, "payload": request.payload}
    client.send_method_response(
        MethodResponse.create_from_method_request(request, 207, {"done": True})
    )
    all_seen["method"].set()


client.connect()
telemetry = Message(
    json.dumps({"temperature": 21.5}), content_encoding="utf-8", content_type="application/json"
)
telemetry.custom_properties["alert level"] = "50 %"
client.send_message(telemetry)
seen["twin"] = client.get_twin()
client.on_message_received = on_message
client.on_twin_desired_properties_patch_received = on_desired
client.on_method_request_received = on_method
client.patch_twin_reported_properties({"listening": True, "gone": None})
for name, event in all_seen.items():
    if not event.wait(30):
        seen["missing"] = name
        break
client.shutdown()
print(json.dumps({"hub": state.assigned_hub, "deviceId": state.device_id, **seen}))
