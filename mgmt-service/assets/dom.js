// Building pages from data of others: text is always text, never markup.

export const byId = (id) => document.getElementById(id);

/** An element with attributes and children; a string child becomes a text node. */
export function make(tag, attributes = {}, ...children) {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) element.setAttribute(name, value);
  element.append(...children);
  return element;
}

/** Sets text only where it differs, so that a screen reader is not told the same again. */
export function say(element, text) {
  if (element.textContent !== text) element.textContent = text;
}

/** Microseconds as milliseconds with about three digits. */
export function ms(us) {
  if (us === null || us === undefined) return "–";
  const value = us / 1000;
  return value.toFixed(value >= 99.95 ? 0 : value >= 9.995 ? 1 : value >= 0.9995 ? 2 : 3);
}

export const count = (number) => (number ?? 0).toLocaleString("en");

// Characters that reorder the text around them, or can't be seen, could make one name look like another.
const UNSEEN = /[\p{Cc}\p{Cf}\p{Co}\p{Cn}\u2028\u2029]/gu;

/** A name of somebody else for people's eyes. */
export const printable = (text) => text.replace(UNSEEN, "\ufffd");

/** Rows of a table: reuses the rows that are there, so that focus and selection stay. */
export function rows(body, items, key, fill) {
  const old = new Map([...body.rows].map((row) => [row.dataset.key, row]));
  let place = body.firstElementChild;
  for (const item of items) {
    const name = key(item);
    let row = old.get(name);
    old.delete(name);
    if (!row) {
      row = make("tr");
      row.dataset.key = name;
    }
    fill(row, item);
    if (row === place) place = place.nextElementSibling;
    else if (row.contains(document.activeElement)) body.insertBefore(row, place), row.querySelector("button")?.focus({ preventScroll: true });
    else body.insertBefore(row, place);
  }
  for (const row of old.values()) row.remove();
}

/** Fills the cells of a row with texts; a cell is a text, or [text, class, what it is in full]. */
export function cells(row, values) {
  values.forEach((value, index) => {
    const [text, style, whole = text] = Array.isArray(value) ? value : [value, ""];
    const cell = row.cells[index] ?? row.insertCell();
    if (cell.className !== style) cell.className = style;
    const target = cell.firstElementChild ?? cell;
    say(target, text);
    if ((whole !== text || text.length > 30) && cell.title !== whole) cell.title = whole;
  });
}
