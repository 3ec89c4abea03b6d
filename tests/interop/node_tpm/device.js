'use strict';
// Microsoft's own Node.js clients with a TPM, unmodified. Prints what came of it as one line of
// JSON. Trust comes from the environment variable NODE_EXTRA_CA_CERTS.
//
// Arguments: the command port of a TPM simulator on this machine, and
//
//   show
//     the registration id and the public keys;
//   register TRANSPORT HOST SCOPE TEXT [ID]
//     registers by http, amqp or amqp-ws, and signs TEXT with the key that the TPM has got;
//   hub TRANSPORT HOST SCOPE
//     registers, connects to the assigned hub by MQTT with tokens that the TPM signs, reports a
//     property and sends telemetry.
//
// Exit code: 0 done, 3 a client reports an error, 4 it says nothing for 20 s.

const dns = require('dns');
const fs = require('fs');
const { promisify } = require('util');
const { Client, Message } = require('azure-iot-device');
const { Mqtt } = require('azure-iot-device-mqtt');
const { ProvisioningDeviceClient } = require('azure-iot-provisioning-device');
const { Amqp, AmqpWs } = require('azure-iot-provisioning-device-amqp');
const { Http } = require('azure-iot-provisioning-device-http');
const { TpmAuthenticationProvider, TpmSecurityClient } = require('azure-iot-security-tpm');
const { Tpm } = require('tss.js');

const transports = { http: Http, amqp: Amqp, 'amqp-ws': AmqpWs };
const [port, what, transport, host, scope, text, id] = process.argv.slice(2);
const tpm = new Tpm(true, '127.0.0.1', Number(port));
const security = new TpmSecurityClient(id, tpm);
const ask = (name, ...more) => promisify(security[name]).call(security, ...more);

// Names below localhost are this machine (RFC 6761 section 6.3), which not every system's resolver
// knows.
const lookup = dns.lookup;
dns.lookup = (hostname, ...more) => {
  lookup(hostname.endsWith('.localhost') ? host : hostname, ...more);
};

async function show() {
  return {
    endorsementKey: (await ask('getEndorsementKey')).toString('base64'),
    storageRootKey: (await ask('getStorageRootKey')).toString('base64'),
    registrationId: await ask('getRegistrationId'),
  };
}

async function register() {
  const by = new transports[transport]();
  const result = await ProvisioningDeviceClient.create(host, scope, by, security).register();
  // With a TPM it gives the service's whole answer.
  const { status, registrationId, assignedHub, deviceId } = result.registrationState;
  return { status, registrationId, assignedHub, deviceId };
}

async function sign() {
  const assigned = await register();
  const signature = await ask('signWithIdentity', Buffer.from(text));
  return { ...assigned, signature: signature.toString('base64') };
}

async function hub() {
  const { assignedHub, deviceId } = await register();
  const { fromTpmSecurityClient } = TpmAuthenticationProvider;
  const proof = fromTpmSecurityClient(deviceId, assignedHub, security);
  const client = Client.fromAuthenticationProvider(proof, Mqtt);
  await client.open();
  const twin = await client.getTwin();
  await promisify(twin.properties.reported.update).call(twin.properties.reported, { tpm: true });
  await client.sendEvent(new Message(JSON.stringify({ temperature: 21.5 })));
  await client.close();
  return { assignedHub, deviceId };
}

function refusal(error) {
  return { status: 'error', kind: error.condition || error.name, message: error.message };
}

function say(outcome, code) {
  fs.writeSync(1, JSON.stringify(outcome) + '\n');
  // The clients may leave timers and sockets behind; what counts has been said.
  process.exit(code);
}

setTimeout(() => say({ status: 'silent' }, 4), 20000);
tpm.connect(() => {
  const doing = { show, register: sign, hub }[what]();
  doing.then(
    (outcome) => say(outcome, 0),
    (error) => {
      process.stderr.write(`${error.stack}\n`);
      say(refusal(error), 3);
    }
  );
});
