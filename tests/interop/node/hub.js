'use strict';
// Registers with Microsoft's own Node.js client, unmodified, connects to the assigned hub, and does
// there what a device does. Prints what it saw as one line of JSON. Trust comes from the environment
// variable NODE_EXTRA_CA_CERTS.
//
// Arguments: transport (mqtt, mqtt-ws), address of the service and its hubs, ID scope, registration
// id, and either "symmetric" with a file that holds the key, or "x509" with the files of the
// certificate chain and of its key, in PEM.
//
// Once it listens, it reports the property "listening". It ends when a message, desired properties
// and a method have come.

const dns = require('dns');
const fs = require('fs');
const { Client, Message } = require('azure-iot-device');
const hubTransports = require('azure-iot-device-mqtt');
const { ProvisioningDeviceClient } = require('azure-iot-provisioning-device');
const provisioningTransports = require('azure-iot-provisioning-device-mqtt');
const { SymmetricKeySecurityClient } = require('azure-iot-security-symmetric-key');
const { X509Security } = require('azure-iot-security-x509');

const [transport, host, scope, registrationId, attestation, ...rest] = process.argv.slice(2);
const text = () => fs.readFileSync(rest.shift(), 'utf8');
const name = { mqtt: 'Mqtt', 'mqtt-ws': 'MqttWs' }[transport];

// Names below localhost are this machine (RFC 6761 section 6.3), which not every system's resolver
// knows.
const lookup = dns.lookup;
dns.lookup = (hostname, ...more) => {
  lookup(hostname.endsWith('.localhost') ? host : hostname, ...more);
};

async function main() {
  const isX509 = attestation === 'x509';
  const x509 = isX509 ? { cert: text(), key: text() } : undefined;
  const key = isX509 ? undefined : text().trim();
  const security = isX509
    ? new X509Security(registrationId, x509)
    : new SymmetricKeySecurityClient(registrationId, key);
  const provisioning = new provisioningTransports[name]();
  const assigned = await ProvisioningDeviceClient.create(
    host,
    scope,
    provisioning,
    security
  ).register();
  const proof = isX509 ? 'x509=true' : `SharedAccessKey=${key}`;
  const client = Client.fromConnectionString(
    `HostName=${assigned.assignedHub};DeviceId=${assigned.deviceId};${proof}`,
    hubTransports[name]
  );
  if (isX509) {
    await client.setOptions(x509);
  }
  await client.open();
  const telemetry = new Message(JSON.stringify({ temperature: 21.5 }));
  telemetry.contentType = 'application/json';
  telemetry.contentEncoding = 'utf-8';
  telemetry.properties.add('alert level', '50 %');
  await client.sendEvent(telemetry);

  const seen = { hub: assigned.assignedHub, deviceId: assigned.deviceId };
  const message = new Promise((resolve, reject) => {
    client.on('message', (received) => {
      seen.message = {
        data: received.data.toString(),
        id: received.messageId,
        color: received.properties.getValue('color'),
      };
      client.complete(received).then(resolve, reject);
    });
  });
  const method = new Promise((resolve, reject) => {
    client.onDeviceMethod('blink', (request, response) => {
      seen.method = { name: request.methodName, payload: request.payload };
      response.send(207, { done: true }).then(resolve, reject);
    });
  });
  const twin = await client.getTwin();
  const { $version, ...initial } = twin.properties.desired;
  seen.twin = { desired: { $version, ...initial }, reported: twin.properties.reported.$version };
  const desired = new Promise((resolve) => {
    // It tells the first ones, too.
    twin.on('properties.desired', (patch) => {
      if (patch.interval !== undefined) {
        seen.desired = patch;
        resolve();
      }
    });
  });
  await new Promise((resolve, reject) => {
    twin.properties.reported.update({ listening: true, gone: null }, (error) =>
      error ? reject(error) : resolve()
    );
  });
  await Promise.all([message, method, desired]);
  await client.close();
  fs.writeSync(1, JSON.stringify(seen) + '\n');
  process.exit(0);
}

const patience = setTimeout(() => {
  process.stderr.write('something did not come within 40 s\n');
  process.exit(4);
}, 40000);
patience.unref();
main().catch((error) => {
  process.stderr.write(`${error.stack}\n`);
  process.exit(3);
});
