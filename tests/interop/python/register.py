"""Registers with Microsoft's own Python client, unmodified, and prints the outcome as JSON.

Arguments: host, ID scope, registration id, file with the key, file with the CA certificate,
protocol (mqtt).
"""

import json
import sys

from azure.iot.device import ProvisioningDeviceClient

host, scope, registration_id, key_file, ca_file = sys.argv[1:6]
with open(key_file) as file:
    key = file.read().strip()
with open(ca_file) as file:
    ca = file.read()

client = ProvisioningDeviceClient.create_from_symmetric_key(
    provisioning_host=host,
    registration_id=registration_id,
    id_scope=scope,
    symmetric_key=key,
    server_verification_cert=ca,
)
if len(sys.argv) > 6:
    client.provisioning_payload = json.loads(sys.argv[6])
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
