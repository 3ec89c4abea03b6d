"""Registers with Microsoft's own Python client, unmodified, and prints the outcome as JSON.

Arguments: host, ID scope, registration id, file with the key, file with the CA certificate, and
perhaps a payload. Before the payload: --websockets for MQTT in WebSockets; a file of certificates
after --x509, and the key is that of the first one, in PEM.
"""

import json
import sys

from azure.iot.device import ProvisioningDeviceClient, X509

host, scope, registration_id, key_file, ca_file = sys.argv[1:6]
with open(ca_file) as file:
    ca = file.read()

common = {
    "provisioning_host": host,
    "registration_id": registration_id,
    "id_scope": scope,
    "server_verification_cert": ca,
}
rest = sys.argv[6:]
if rest[:1] == ["--websockets"]:
    common["websockets"] = True
    rest = rest[1:]
if rest[:1] == ["--x509"]:
    x509 = X509(cert_file=rest[1], key_file=key_file)
    client = ProvisioningDeviceClient.create_from_x509_certificate(x509=x509, **common)
    rest = rest[2:]
else:
    with open(key_file) as file:
        key = file.read().strip()
    client = ProvisioningDeviceClient.create_from_symmetric_key(symmetric_key=key, **common)
if rest:
    client.provisioning_payload = json.loads(rest[0])
try:
    result = client.register()
except Exception as error:  # whatever the peer raises is the result
    chain = []
    while error is not None:
        chain.append(f"{type(error).__name__}: {error}")
        error = error.__cause__ or error.__context__
    print(json.dumps({"status": "error", "chain": chain}))
    sys.exit(3)
state = result.registration_state
print(
    json.dumps(
        {
            "status": result.status,
            "operationId": result.operation_id,
            "assignedHub": state.assigned_hub,
            "deviceId": state.device_id,
            "subStatus": state.sub_status,
            "etag": state.etag,
            "created": str(state.created_date_time),
        }
    )
)
