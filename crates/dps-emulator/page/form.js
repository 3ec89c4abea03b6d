// The form of an enrollment, for a new one or one that is there: fields in, document out.

import { el } from './dom.js';
import { choice, field, fieldset, fileInto, line, lines, object, tick } from './fields.js';

const POLICIES = [
  ['hashed', 'Evenly weighted distribution (hashed)'],
  ['geoLatency', 'Lowest latency'],
  ['static', 'Static configuration'],
  ['custom', 'Custom (webhook)'],
];
const AGAIN = [
  ['migrate', 'Re-provision and migrate data'],
  ['reset', 'Re-provision and reset to initial state'],
  ['never', 'Never re-provision'],
];
const NAMES = 'Up to 128 letters, digits and - . _ : (at its end a letter, digit or -). Case does not matter.';

/** Which field the service's words are about: the first that fits. */
export const RULES = [
  [/already exists/i, 'name'],
  [/device id/i, 'deviceId'],
  [/endorsement/i, 'endorsementKey'],
  [/secondary.*certificate|certificates\.secondary/i, 'secondaryCertificate'],
  [/certificate/i, 'primaryCertificate'],
  [/webhook|customAllocation/i, 'webhookUrl'],
  [/iotHub|hub/i, 'policy'],
  [/key/i, 'primaryKey'],
  [/twin|tags|desired/i, 'twin'],
  [/registration id|registrationId|enrollmentGroupId|enrollment group|name/i, 'name'],
];

/**
 * The fields for `document`, which is empty for a new enrollment. `about` is the service's
 * description, `linked` its hubs. `read()` gives the changed document, or throws after it has
 * marked what is wrong.
 */
export function enrollmentFields({ kind, document, about, linked }) {
  const isGroup = kind.name === 'enrollmentGroupId';
  const isNew = !document.etag;
  const parts = [];
  const fields = {};
  const writers = [];

  const proof = attestation({ document, isGroup, isNew, fields, writers });
  if (isNew) {
    fields.name = field(isGroup ? 'Group name' : 'Registration ID', line({ name: 'name', required: true, maxlength: '128' }), NAMES);
    parts.push(fields.name);
    writers.push((out) => {
      const name = fields.name.control.value.trim();
      if (!name) throw new Wrong('name', 'A name is needed.');
      out[kind.name] = name;
    });
  }
  if (!isGroup) {
    fields.deviceId = field('Device ID', line({ name: 'deviceId', value: document.deviceId ?? '', maxlength: '128' }),
      'The name at the hub. When empty, the registration ID.');
    parts.push(fields.deviceId);
    writers.push((out) => set(out, 'deviceId', fields.deviceId.control.value.trim()));
  }
  fields.enabled = field('Enable this enrollment', tick(document.provisioningStatus !== 'disabled', { name: 'enabled' }),
    isGroup ? 'When it is disabled, its devices are refused.' : 'When it is disabled, the device is refused, even if a group would let it in.');
  fields.edge = field('IoT Edge device', tick(document.capabilities?.iotEdge === true, { name: 'edge' }),
    isGroup ? 'All devices of the group are, or none is.' : undefined);
  writers.push((out) => {
    out.provisioningStatus = fields.enabled.control.checked ? 'enabled' : 'disabled';
    out.capabilities = { ...out.capabilities, iotEdge: fields.edge.control.checked };
  });
  parts.push(proof, fields.enabled, fields.edge);
  parts.push(allocation({ document, about, linked, fields, writers }));
  parts.push(twin({ document, isGroup, fields, writers }));

  const read = () => {
    for (const one of Object.values(fields)) one.complain('');
    const out = structuredClone(document);
    let wrong;
    for (const write of writers) {
      try {
        write(out);
      } catch (error) {
        if (!(error instanceof Wrong)) throw error;
        fields[error.field].complain(error.message);
        wrong ??= error;
      }
    }
    if (wrong) {
      fields[wrong.field].closest('form').querySelector('[aria-invalid=true]').focus();
      throw wrong;
    }
    return out;
  };
  return { parts, fields, read };
}

/** What is wrong with a field; it has been said beside it. */
export class Wrong extends Error {
  constructor(name, text) {
    super(text);
    this.field = name;
  }
}

function set(out, member, value) {
  if (value) out[member] = value;
  else delete out[member];
}

function attestation({ document, isGroup, isNew, fields, writers }) {
  const kinds = [['symmetricKey', 'Symmetric key'], ['x509', 'X.509 certificates'], ...(isGroup ? [] : [['tpm', 'TPM']])];
  let chosen = document.attestation?.type ?? 'symmetricKey';
  const bodies = {
    symmetricKey: isNew && symmetric({ fields, writers, isChosen: () => chosen === 'symmetricKey' }),
    x509: certificates({ document, isGroup, isNew, fields, writers, isChosen: () => chosen === 'x509' }),
    tpm: !isGroup && tpm({ document, fields, writers, isChosen: () => chosen === 'tpm' }),
  };
  const show = () => {
    for (const [name, body] of Object.entries(bodies)) if (body) body.hidden = name !== chosen;
  };
  writers.unshift((out) => {
    out.attestation = { ...out.attestation, type: chosen };
  });
  show();
  if (!isNew) return bodies[chosen] ? fieldset(kinds.find(([key]) => key === chosen)?.[1] ?? chosen, bodies[chosen]) : null;
  const radios = kinds.map(([key, text]) => field(text, el('input', {
    type: 'radio',
    name: 'attestation',
    value: key,
    checked: key === chosen,
    on: { change: () => { chosen = key; show(); } },
  })));
  return fieldset('Attestation mechanism', radios, Object.values(bodies).filter(Boolean));
}

function symmetric({ fields, writers, isChosen }) {
  const own = el('div', { hidden: true });
  fields.generate = field('Generate keys automatically', tick(true, {
    name: 'generate',
    on: { change: ({ target }) => { own.hidden = target.checked; } },
  }));
  fields.primaryKey = field('Primary key', line({ name: 'primaryKey' }), 'Base64. When empty, one is generated.');
  fields.secondaryKey = field('Secondary key', line({ name: 'secondaryKey' }), 'Base64. When empty, one is generated.');
  own.append(fields.primaryKey, fields.secondaryKey);
  writers.push((out) => {
    if (!isChosen() || fields.generate.control.checked) return;
    const keys = {};
    set(keys, 'primaryKey', fields.primaryKey.control.value.trim());
    set(keys, 'secondaryKey', fields.secondaryKey.control.value.trim());
    out.attestation.symmetricKey = keys;
  });
  return el('div', {}, fields.generate, own);
}

function certificates({ document, isGroup, isNew, fields, writers, isChosen }) {
  const member = isGroup ? 'signingCertificates' : 'clientCertificates';
  const before = document.attestation?.x509?.[member];
  const what = isGroup ? 'That of the authority, root or intermediate.' : 'That of the device itself.';
  const item = (name, title, info) => {
    const area = lines({ name });
    const keeps = info ? ` Now: ${info.subjectName}, SHA-256 ${info.sha256Thumbprint}, until ${info.notAfterUtc}. Leave it empty to keep that.` : '';
    fields[name] = field(title, area, `PEM or base64. ${what}${keeps}`);
    return [fields[name], field(`${title.replace(' (optional)', '')} from a file`, fileInto(area))];
  };
  const remove = before?.secondary && field('Remove the secondary certificate', tick(false, { name: 'removeSecondary' }));
  const node = el('div', {},
    item('primaryCertificate', 'Primary certificate', before?.primary?.info),
    item('secondaryCertificate', 'Secondary certificate (optional)', before?.secondary?.info), remove);
  writers.push((out) => {
    if (!isChosen()) return;
    const given = (name) => fields[name].control.value.trim();
    const pair = { ...before };
    if (given('primaryCertificate')) pair.primary = { certificate: given('primaryCertificate') };
    if (given('secondaryCertificate')) pair.secondary = { certificate: given('secondaryCertificate') };
    if (remove?.control.checked) delete pair.secondary;
    if (isNew && !pair.primary) throw new Wrong('primaryCertificate', 'A certificate is needed.');
    out.attestation.x509 = { [member]: pair };
  });
  return node;
}

function tpm({ document, fields, writers, isChosen }) {
  fields.endorsementKey = field('Endorsement key',
    lines({ name: 'endorsementKey', value: document.attestation?.tpm?.endorsementKey ?? '' }),
    'Base64 of the TPM’s public area; on the device “dps tpm” prints it.');
  writers.push((out) => {
    if (!isChosen()) return;
    const endorsementKey = fields.endorsementKey.control.value.replace(/\s/g, '');
    if (!endorsementKey) throw new Wrong('endorsementKey', 'An endorsement key is needed.');
    out.attestation.tpm = { endorsementKey };
  });
  return el('div', {}, fields.endorsementKey);
}

function allocation({ document, about, linked, fields, writers }) {
  const own = about.allocationPolicy ? ` (${about.allocationPolicy})` : '';
  const chosen = document.iotHubs ?? [];
  const gone = chosen.filter((host) => !linked.includes(host));
  const ticks = [...linked, ...gone].map((host) =>
    field(gone.includes(host) ? `${host} (not linked any more)` : host, tick(chosen.includes(host), { name: 'hub', value: host })));
  const fixed = document.iotHubHostName
    && field(`Always ${document.iotHubHostName}`, tick(true, { name: 'fixed' }), 'The member iotHubHostName, which goes before everything below.');
  fields.policy = field('Allocation policy', choice([['', `As the service${own}`], ...POLICIES], document.allocationPolicy ?? ''),
    'How devices are assigned to hubs.');
  fields.policy.control.name = 'policy';
  fields.webhookUrl = field('Webhook URL', line({ name: 'webhookUrl', type: 'url', value: document.customAllocationDefinition?.webhookUrl ?? '' }));
  fields.webhookVersion = field('API version of the webhook', line({
    name: 'webhookVersion', value: document.customAllocationDefinition?.apiVersion ?? '2021-10-01',
  }));
  const webhook = el('div', {}, fields.webhookUrl, fields.webhookVersion);
  const show = () => { webhook.hidden = fields.policy.control.value !== 'custom'; };
  fields.policy.control.addEventListener('change', show);
  show();
  const again = document.reprovisionPolicy;
  const now = again && !again.updateHubAssignment ? 'never' : again && !again.migrateDeviceData ? 'reset' : 'migrate';
  fields.again = field('When a device registers again', choice(AGAIN, now));
  fields.again.control.name = 'again';
  writers.push((out) => {
    if (fixed && !fixed.control.checked) delete out.iotHubHostName;
    const hubs = ticks.filter((one) => one.control.checked).map((one) => one.control.value);
    set(out, 'iotHubs', hubs.length > 0 && hubs);
    set(out, 'allocationPolicy', fields.policy.control.value);
    delete out.customAllocationDefinition;
    if (out.allocationPolicy === 'custom') {
      out.customAllocationDefinition = { webhookUrl: fields.webhookUrl.control.value.trim(), apiVersion: fields.webhookVersion.control.value.trim() };
    }
    // Choosing nothing new keeps what there is, also a policy that no choice here stands for.
    if (fields.again.control.value !== now || !again) {
      const choice = fields.again.control.value;
      out.reprovisionPolicy = { updateHubAssignment: choice !== 'never', migrateDeviceData: choice === 'migrate' };
    }
  });
  return fieldset('IoT hubs', fixed,
    el('div', { role: 'group', 'aria-label': 'Target hubs' }, el('p', { class: 'hint' }, 'Target hubs. Without any, all linked ones are.'), ticks),
    fields.policy, webhook, fields.again);
}

function twin({ document, isGroup, fields, writers }) {
  const text = (value) => (value ? JSON.stringify(value, null, 2) : '');
  const initial = text(document.initialTwin) || '{\n  "tags": {},\n  "properties": {\n    "desired": {}\n  }\n}';
  fields.twin = field('Initial device twin', lines({ name: 'twin', rows: '8', value: initial }),
    'JSON with tags and properties.desired, for the device’s first registration.');
  if (!isGroup) {
    fields.information = field('Additional device information', lines({ name: 'information', rows: '3', value: text(document.optionalDeviceInformation) }), 'A JSON object, for you alone.');
  }
  const read = (name) => {
    try {
      return object(fields[name].control);
    } catch (error) {
      throw new Wrong(name, error.message);
    }
  };
  writers.push((out) => {
    set(out, 'initialTwin', read('twin'));
    if (!isGroup) set(out, 'optionalDeviceInformation', read('information'));
  });
  return fieldset('Device twin', fields.twin, fields.information);
}
