/** A table as a file for a spreadsheet (RFC 4180). */

/** @param {string} name @param {(string|number|null|undefined)[][]} rows */
export function save(name, rows) {
  const text = rows.map((row) => row.map(cell).join(",")).join("\r\n");
  const link = document.createElement("a");
  // Spreadsheets take a file for UTF-8 if it begins with this mark.
  link.href = URL.createObjectURL(new Blob(["\uFEFF", text, "\r\n"], { type: "text/csv" }));
  link.download = name;
  link.click();
  URL.revokeObjectURL(link.href);
}

/** A spreadsheet would run a text that looks like a formula. */
function cell(value) {
  const text = String(value ?? "");
  const safe = typeof value === "string" && /^[=+\-@\t\r]/.test(text) ? `'${text}` : text;
  return /[",\r\n]/.test(safe) ? `"${safe.replaceAll('"', '""')}"` : safe;
}
