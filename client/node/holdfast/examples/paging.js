// A list in pages, newest first, as a web page shows it: a page begins behind the last row of the one
// before, so it costs the same however far down it is, and rows that come or go shift nothing.
//
//     node examples/paging.js [ADDRESS]
import { connect, decode, encode } from 'holdfast'

const db = await connect(process.argv[2])
await db.dropStore('posts').catch(e => { if (e.name !== 'NO_STORE') throw e })
await db.createStore('posts', { key: 'id', generate: true })
await db.createIndex('posts', 'at', { key: ['at', 'id'] })
await db.transaction(tx => {
  for (let i = 0; i < 25; i++) tx.put('posts', { at: new Date(1700000000000 + i * 1000), title: `post ${i}` })
})

// A page, and the mark by which the next one is asked for.
async function page (mark, size = 10) {
  const range = mark === null ? {} : { lt: decode(Buffer.from(mark, 'base64url')) }
  const rows = await db.scan(['posts', 'at'], range, { reverse: true, limit: size }).all()
  const next = rows.length < size ? null : encode(rows.at(-1)[0]).toString('base64url')
  return { posts: rows.map(([, , post]) => post), next }
}

let mark = null
do {
  const { posts, next } = await page(mark)
  console.log(posts.map(post => post.title.slice(5)).join(' '))
  mark = next
} while (mark !== null)
await db.close()
