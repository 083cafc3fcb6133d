/** Who is signed in, for as long as the tab is open. A token never stands in a URL. */

import { call } from "./api.js";

const KEY = "weelo.tokens";

/** Whether the server hands out tokens to whoever opens the page. */
export const development = document.body.dataset.development === "yes";

/** @returns {{ops?: string, customer?: string, driver?: string}} */
export function tokens() {
  return JSON.parse(sessionStorage.getItem(KEY) ?? "{}");
}

/** @param {{ops?: string, customer?: string, driver?: string}} found */
export function keep(found) {
  sessionStorage.setItem(KEY, JSON.stringify(found));
}

/** Signs out. */
export function forget() {
  sessionStorage.removeItem(KEY);
}

/** Asks the server for tokens, in development. */
export async function obtain() {
  keep((await call("POST", "/console/tokens", undefined, {})).tokens);
}

/**
 * A request as the operator.
 *
 * @param {string} method
 * @param {string} path
 * @param {object} [body]
 */
export function ops(method, path, body) {
  return call(method, `/api/v1/ops${path}`, tokens().ops, body);
}
