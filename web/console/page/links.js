/** What the address names: `#order/ID`, `#driver/ID` or `#calls/driver:ID`, so that a colleague opens the same. */

/**
 * Opens what the address names, now and whenever that changes.
 *
 * @param {Record<string, {choose: (id: string) => void, close: () => void}>} kinds
 */
export function follow(kinds) {
  const go = () => {
    const [kind, id] = location.hash.slice(1).split("/", 2);
    for (const [name, shown] of Object.entries(kinds)) {
      if (name === kind && id) shown.choose(decodeURIComponent(id));
      else shown.close();
    }
  };
  addEventListener("hashchange", go);
  go();
}

/** @param {"order"|"driver"|"calls"} kind @param {string} id */
export function open(kind, id) {
  location.hash = `${kind}/${encodeURIComponent(id)}`;
}

/** Takes a name out of the address if it is still this one. @param {"order"|"driver"|"calls"} kind */
export function forget(kind) {
  if (location.hash.startsWith(`#${kind}/`)) history.pushState(null, "", location.pathname);
}
