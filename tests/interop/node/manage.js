'use strict';
// Manages the service with Microsoft's own Node.js service client, unmodified, and prints each
// step's outcome as one line of JSON. Trust comes from the environment variable
// NODE_EXTRA_CA_CERTS, the connection string from DPS_CONNECTION_STRING.
//
// Argument: a file with a certificate authority's certificate in PEM.

const fs = require('fs');
const { ProvisioningServiceClient } = require('azure-iot-provisioning-service');

const client = ProvisioningServiceClient.fromConnectionString(process.env.DPS_CONNECTION_STRING);
const say = (step, outcome) => fs.writeSync(1, JSON.stringify({ step, outcome }) + '\n');

// What the client calls back with, or what the service said against it.
function call(method, ...parameters) {
  return new Promise((resolve) => {
    client[method](...parameters, (error, result) => {
      if (!error) {
        resolve({ ok: result === undefined ? null : result });
        return;
      }
      const body = typeof error.responseBody === 'string' ? error.responseBody : '{}';
      resolve({ kind: error.name, status: error.response && error.response.statusCode, service: JSON.parse(body) });
    });
  });
}

async function step(name, method, ...parameters) {
  const outcome = await call(method, ...parameters);
  say(name, outcome);
  return outcome.ok;
}

// All pages of a query: the items of each.
async function pages(name, query) {
  const found = [];
  do {
    const page = await new Promise((resolve, reject) => {
      query.next((error, result) => (error ? reject(error) : resolve(result)));
    });
    found.push(page);
  } while (query.hasMoreResults && found.length < 20);
  say(name, { ok: found });
}

async function main() {
  const symmetricKey = { type: 'symmetricKey' };
  const enrollment = {
    registrationId: 'node-device',
    deviceId: 'node-in-hub',
    attestation: symmetricKey,
    iotHubs: ['two.localhost'],
    allocationPolicy: 'static',
    capabilities: { iotEdge: true },
    initialTwin: { tags: { line: 7 }, properties: { desired: { speed: 'slow' } } },
    provisioningStatus: 'enabled',
    reprovisionPolicy: { updateHubAssignment: true, migrateDeviceData: false },
  };
  const created = await step('create', 'createOrUpdateIndividualEnrollment', enrollment);
  await step('create again', 'createOrUpdateIndividualEnrollment', enrollment);
  const read = await step('get', 'getIndividualEnrollment', 'node-device');
  await step('keys', 'getIndividualEnrollmentAttestationMechanism', 'node-device');
  await step('update', 'createOrUpdateIndividualEnrollment', { ...read, deviceId: 'renamed' });
  await step('update what was changed', 'createOrUpdateIndividualEnrollment', created);
  await step('get nothing', 'getIndividualEnrollment', 'nobody');

  const signing = fs.readFileSync(process.argv[2], 'utf8');
  await step('create group', 'createOrUpdateEnrollmentGroup', {
    enrollmentGroupId: 'node-x509',
    attestation: { type: 'x509', x509: { signingCertificates: { primary: { certificate: signing } } } },
  });
  await step('create key group', 'createOrUpdateEnrollmentGroup', {
    enrollmentGroupId: 'node-group',
    attestation: symmetricKey,
  });
  const group = await step('get group', 'getEnrollmentGroup', 'node-x509');
  await step('update group', 'createOrUpdateEnrollmentGroup', { ...group, provisioningStatus: 'disabled' });
  await step('update group again', 'createOrUpdateEnrollmentGroup', group);
  await step('group keys', 'getEnrollmentGroupAttestationMechanism', 'node-group');

  const many = ['a', 'b', 'c', 'd', 'e'].map((name) => ({
    registrationId: 'bulk-' + name,
    attestation: symmetricKey,
  }));
  await step('bulk create', 'runBulkEnrollmentOperation', { enrollments: many, mode: 'create' });
  const query = { query: 'SELECT * FROM enrollments' };
  await pages('query', client.createIndividualEnrollmentQuery(query, 2));
  await pages('group query', client.createEnrollmentGroupQuery({ query: 'SELECT * FROM enrollmentGroups' }, 10));
  await step('bulk delete', 'runBulkEnrollmentOperation', {
    enrollments: many.concat([{ registrationId: 'bulk-nobody', attestation: symmetricKey }]),
    mode: 'delete',
  });
  await pages('query the rest', client.createIndividualEnrollmentQuery(query));
  await step('delete group', 'deleteEnrollmentGroup', 'node-x509');
  await step('delete with a wrong etag', 'deleteIndividualEnrollment', 'node-device', 'wrong');
}

// After the device has registered.
async function registrations() {
  await step('registration', 'getDeviceRegistrationState', 'node-device');
  const query = { query: 'SELECT * FROM enrollments' };
  await pages('of group', client.createEnrollmentGroupDeviceRegistrationStateQuery(query, 'node-group', 1));
  await step('delete registration', 'deleteDeviceRegistrationState', 'node-device');
  await step('no registration', 'getDeviceRegistrationState', 'node-device');
  await step('delete', 'deleteIndividualEnrollment', 'node-device');
}

(process.argv[2] === 'registrations' ? registrations() : main()).then(
  () => process.exit(0),
  (error) => {
    fs.writeSync(2, String(error.stack || error) + '\n');
    process.exit(1);
  },
);
