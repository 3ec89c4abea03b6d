// Requests to the service: its service API, and the local service's own API below /admin/.

const API_VERSION = '2021-10-01';
const KEPT = 'dps-page-token';

let token = sessionStorage.getItem(KEPT);
let loginNeeded = () => {};
let sessions = 0;

/** Changes when another token is used: the service may be another one, which counts anew. */
export const session = () => sessions;

/** What the service answered instead of what was asked for. */
export class ServiceError extends Error {
  constructor(status, document) {
    super(document?.message ?? (status ? `The service answered with status ${status}.` : 'The service cannot be reached. If it was started anew, load this page again.'));
    this.status = status;
    this.errorCode = document?.errorCode;
  }
}

/** Calls it when a token must be typed. */
export const onLoginNeeded = (listener) => {
  loginNeeded = listener;
};

/** Tries a token that was typed; it is kept as long as the tab is open. */
export async function login(typed) {
  const before = token;
  token = typed;
  try {
    await send('GET', '/admin/service', {});
    sessionStorage.setItem(KEPT, typed);
    sessions += 1;
  } catch (error) {
    token = before;
    throw error;
  }
}

/** The token without login, which the service gives to its own machine only. */
async function openSession() {
  token = null;
  sessionStorage.removeItem(KEPT);
  const { body } = await send('GET', '/admin/session', {});
  token = body.token;
  sessions += 1;
}

async function send(method, path, { body, headers = {}, signal }) {
  const given = { Accept: 'application/json', ...headers };
  if (token) given.Authorization = `Bearer ${token}`;
  if (body !== undefined) given['Content-Type'] = 'application/json; charset=utf-8';
  let response;
  try {
    response = await fetch(path, {
      method,
      headers: given,
      body: body === undefined ? undefined : JSON.stringify(body),
      cache: 'no-store',
      credentials: 'omit',
      redirect: 'error',
      referrerPolicy: 'no-referrer',
      signal,
    });
  } catch (error) {
    if (error.name === 'AbortError') throw error;
    throw new ServiceError(0);
  }
  const text = await response.text();
  let document;
  try {
    document = text ? JSON.parse(text) : undefined;
  } catch {
    document = undefined;
  }
  if (!response.ok) throw new ServiceError(response.status, document);
  return { body: document, headers: response.headers };
}

/** Asks; a token that is not (or no longer) good is replaced once if that needs nobody. */
export async function call(method, path, options = {}) {
  if (token) {
    try {
      return await send(method, path, options);
    } catch (error) {
      if (error.status !== 401) throw error;
    }
  }
  try {
    await openSession();
  } catch (error) {
    if (error.status === 401) loginNeeded();
    throw error;
  }
  return send(method, path, options);
}

const versioned = (path) => `${path}?api-version=${API_VERSION}`;

/**
 * A name as a part of a path. Browsers take `.` and `..` for steps in the path, however they are
 * written: the request would be about something else.
 */
function part(name) {
  if (name === '.' || name === '..') throw new Error(`A browser cannot ask for what is called “${name}”; programs can, by the service’s APIs.`);
  return encodeURIComponent(name);
}

/** The requests about enrollments of one kind. */
function kind(base, name) {
  const one = (id) => `/${base}/${part(id)}`;
  return {
    name,
    base,
    get: async (id, signal) => (await call('GET', versioned(one(id)), { signal })).body,
    /** Without an etag it must be new. */
    put: async (id, document, etag) => (await call('PUT', versioned(one(id)), {
      body: document,
      headers: etag ? { 'If-Match': etag } : {},
    })).body,
    remove: (id, etag) => call('DELETE', versioned(one(id)), { headers: etag ? { 'If-Match': etag } : {} }),
    /** The only answer that shows keys. */
    attestation: async (id) => (await call('POST', versioned(`${one(id)}/attestationmechanism`))).body,
    /** One page: items, and where the next one starts. */
    list: (continuation, signal) => page(`/${base}/query`, continuation, signal),
  };
}

async function page(path, continuation, signal) {
  const headers = { 'x-ms-max-item-count': '100' };
  if (continuation) headers['x-ms-continuation'] = continuation;
  const answer = await call('POST', versioned(path), { body: { query: 'SELECT *' }, headers, signal });
  return { items: answer.body, next: answer.headers.get('x-ms-continuation') };
}

export const enrollments = kind('enrollments', 'registrationId');
export const groups = kind('enrollmentGroups', 'enrollmentGroupId');

export const registrations = {
  get: async (id, signal) => (await call('GET', versioned(`/registrations/${part(id)}`), { signal })).body,
  remove: (id) => call('DELETE', versioned(`/registrations/${part(id)}`)),
  ofGroup: (id, continuation, signal) => page(`/registrations/${part(id)}/query`, continuation, signal),
};

const hub = (host) => `/admin/hubs/${part(host)}`;
const device = (host, id) => `${hub(host)}/devices/${part(id)}`;
const admin = async (method, path, body, signal) => (await call(method, path, { body, signal })).body;

export const service = {
  about: (signal) => admin('GET', '/admin/service', undefined, signal),
  events: (after, seconds, signal) => admin('GET', `/admin/events?after=${after}&waitSeconds=${seconds}`, undefined, signal),
};

export const hubs = {
  list: async (signal) => (await admin('GET', '/admin/hubs', undefined, signal)).hubs,
  link: (host, settings) => admin('PUT', hub(host), settings),
  unlink: (host) => admin('DELETE', hub(host)),
  /** One page: devices, and after which the next one starts. */
  devices: (host, after, signal) => admin('GET', `${hub(host)}/devices?limit=100${after ? `&after=${encodeURIComponent(after)}` : ''}`, undefined, signal),
  device: (host, id, signal) => admin('GET', device(host, id), undefined, signal),
  removeDevice: (host, id) => admin('DELETE', device(host, id)),
  /** What the device sent after a number; waits for something to come. */
  messages: (host, id, after, seconds, signal) => admin('GET', `${device(host, id)}/messages?after=${after}&waitSeconds=${seconds}`, undefined, signal),
  send: (host, id, message) => admin('POST', `${device(host, id)}/messages`, message),
  patchTwin: (host, id, patch) => admin('PATCH', `${device(host, id)}/twin`, patch),
};

export const faults = {
  list: async (signal) => (await admin('GET', '/admin/faults', undefined, signal)).faults,
  set: (name, fault) => admin('PUT', `/admin/faults/${part(name)}`, fault),
  remove: (name) => admin('DELETE', `/admin/faults/${part(name)}`),
  clear: () => admin('DELETE', '/admin/faults'),
};
