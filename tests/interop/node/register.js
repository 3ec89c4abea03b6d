'use strict';
// Registers with Microsoft's own Node.js client, unmodified, and prints the outcome as one line
// of JSON. Trust comes from the environment variable NODE_EXTRA_CA_CERTS.
//
// Arguments: transport (mqtt, mqtt-ws, http, amqp, amqp-ws), host, ID scope, registration id, and
// either "symmetric" with a file that holds the key, or "x509" with the files of the certificate
// chain and of its key, in PEM. A JSON payload may follow.
//
// Exit code: 0 assigned, 3 the client reports an error.

const fs = require('fs');
const { ProvisioningDeviceClient } = require('azure-iot-provisioning-device');
const { Mqtt, MqttWs } = require('azure-iot-provisioning-device-mqtt');
const { Http } = require('azure-iot-provisioning-device-http');
const { Amqp, AmqpWs } = require('azure-iot-provisioning-device-amqp');
const { SymmetricKeySecurityClient } = require('azure-iot-security-symmetric-key');
const { X509Security } = require('azure-iot-security-x509');

const transports = { mqtt: Mqtt, 'mqtt-ws': MqttWs, http: Http, amqp: Amqp, 'amqp-ws': AmqpWs };
const [transport, host, scope, registrationId, attestation, ...rest] = process.argv.slice(2);
const text = () => fs.readFileSync(rest.shift(), 'utf8');

let security;
if (attestation === 'symmetric') {
  security = new SymmetricKeySecurityClient(registrationId, text().trim());
} else if (attestation === 'x509') {
  security = new X509Security(registrationId, { cert: text(), key: text() });
} else {
  throw new Error(`unknown attestation ${attestation}`);
}
const client = ProvisioningDeviceClient.create(host, scope, new transports[transport](), security);
if (rest.length > 0) {
  client.setProvisioningPayload(JSON.parse(rest.shift()));
}

client.register((error, result) => {
  let outcome;
  if (error) {
    // By MQTT the service's words are a member, by HTTP the body, by AMQP the description.
    const said = error.result || error.responseBody || error.description;
    outcome = {
      status: 'error',
      kind: error.condition || error.name,
      message: error.message,
      service: typeof said === 'string' ? JSON.parse(said) : said,
    };
  } else {
    outcome = {
      status: result.status,
      registrationId: result.registrationId,
      assignedHub: result.assignedHub,
      deviceId: result.deviceId,
      substatus: result.substatus,
    };
  }
  // The client may leave timers and sockets behind; what counts has been said.
  fs.writeSync(1, JSON.stringify(outcome) + '\n');
  process.exit(error ? 3 : 0);
});
