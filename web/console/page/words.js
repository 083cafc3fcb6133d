/** How things are said: times, names, figures. */

const CLOCK = new Intl.DateTimeFormat(undefined, { hour: "2-digit", minute: "2-digit", second: "2-digit", hour12: false });

const MOMENT = new Intl.DateTimeFormat(undefined, {
  year: "numeric", month: "short", day: "numeric", hour: "2-digit", minute: "2-digit", second: "2-digit",
  hour12: false, timeZoneName: "short",
});

const DAY = new Intl.DateTimeFormat(undefined, { month: "short", day: "numeric" });

/** The zone in which all times are shown, as `GMT+5:30`. */
export const zone = MOMENT.formatToParts().find(({ type }) => type === "timeZoneName").value;

/** Day and time; the zone stands beside. @param {string} at ISO 8601 */
export function when(at) {
  return `${DAY.format(new Date(at))} ${clock(at)}`;
}

/** Date, time and zone. @param {string} at ISO 8601 */
export function moment(at) {
  return MOMENT.format(new Date(at));
}

/** @param {string} at ISO 8601 */
export function clock(at) {
  return CLOCK.format(new Date(at));
}

/** The end of an id, which is what differs. @param {string} id */
export function short(id) {
  return id.slice(-6);
}

/** @param {string} state */
export function words(state) {
  return state.replaceAll("_", " ");
}

const DRIVER_STATES = { free: "free", busy: "on a trip", offDuty: "off duty", silent: "silent" };

/** @param {string} state of a driver */
export function driverState(state) {
  return DRIVER_STATES[state] ?? state;
}

/** @param {number|null} seconds */
export function duration(seconds) {
  if (seconds === null) return "–";
  return seconds < 1 ? `${Math.round(seconds * 1000)} ms` : `${seconds.toFixed(1)} s`;
}

/** @param {number} km */
export function distance(km) {
  return `${km.toFixed(1)} km`;
}

/** @param {number} amount in INR */
export function rupees(amount) {
  return `₹${amount.toLocaleString("en-IN")}`;
}

/** @param {number} count @param {string} noun */
export function several(count, noun) {
  return `${count} ${noun}${count === 1 ? "" : "s"}`;
}

/**
 * An element with text and children.
 *
 * @param {string} tag
 * @param {Record<string, string>} attributes
 * @param {...(Node|string)} children
 */
export function element(tag, attributes = {}, ...children) {
  const made = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) made.setAttribute(name, value);
  made.append(...children);
  return made;
}

/** @param {string} id @returns {any} */
export function byId(id) {
  return document.getElementById(id);
}
