// rows.js - all rows of a range.

export const PAGE = 1000

/** All rows; they are of one moment where nothing is written meanwhile. */
export async function allRows (remote, wire, range, options) {
  let { rows, cursor } = await remote.call('scan', wire, range, { page: PAGE, ...options })
  while (cursor !== null) {
    const page = await remote.call('next', cursor, { page: PAGE })
    for (const row of page.rows) rows.push(row)
    cursor = page.cursor
  }
  return rows
}
