/** Requests to our own API. */

// An order is answered within 5 s, and reads much sooner.
const PATIENCE_MS = 8000;
const PATIENCE_TO_READ_MS = 5000;

/** The server could not be reached, or could not answer; `health` says of which parts it knows. */
export class Unreachable extends Error {
  /** @param {string} message @param {any[]} [health] */
  constructor(message, health) {
    super(message);
    this.health = health;
  }
}

/** The server refused; `status` and `code` say why. */
export class Refused extends Error {
  /**
   * @param {number} status
   * @param {string} code
   * @param {string} message
   */
  constructor(status, code, message) {
    super(message);
    this.status = status;
    this.code = code;
  }
}

/**
 * Sends one request and returns the answer's `data`.
 *
 * @param {string} method
 * @param {string} path
 * @param {string} [token]
 * @param {object} [body]
 * @returns {Promise<any>}
 * @throws {Unreachable|Refused}
 */
export async function call(method, path, token, body) {
  const headers = {};
  if (token) headers.Authorization = `Bearer ${token}`;
  if (body) headers["Content-Type"] = "application/json";
  const { status, body: said } = await reach(path, {
    method,
    headers,
    body: body && JSON.stringify(body),
    cache: "no-store",
    signal: AbortSignal.timeout(method === "GET" ? PATIENCE_TO_READ_MS : PATIENCE_MS),
  });
  if (status < 400 && said?.success === true && said.data) return said.data;
  // Without our envelope it is no answer: something on the way has spoken.
  if (said?.success !== false || typeof said.error?.code !== "string") throw new Unreachable(unusable(status));
  throw new Refused(status, said.error.code, said.error.message);
}

/** @param {number} status */
function unusable(status) {
  return `Something on the way answered ${status}.`;
}

/**
 * @param {string} path
 * @param {RequestInit} request
 */
async function reach(path, request) {
  try {
    const response = await fetch(path, request);
    if (response.status < 500) return { status: response.status, body: await response.json() };
    const said = await response.json().catch(() => undefined);
    throw new Unreachable(`The server answered ${response.status}.`, said?.error?.data?.health);
  } catch (error) {
    if (error instanceof Unreachable) throw error;
    throw new Unreachable("The server does not answer.");
  }
}
