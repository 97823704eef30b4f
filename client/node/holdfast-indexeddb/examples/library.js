// library.js ADDRESS - books by author, a page at a time, and an upgrade: the example of the W3C's text, gone on with.
import { closeFactory, createFactory, IDBKeyRange } from 'holdfast-indexeddb'

const indexedDB = createFactory({ address: process.argv[2] })

const result = request => new Promise((resolve, reject) => {
  request.onsuccess = () => resolve(request.result)
  request.onerror = () => reject(request.error)
})

function open (version) {
  const request = indexedDB.open('branch library', version)
  request.onupgradeneeded = event => {
    const { result: db, transaction } = request
    if (event.oldVersion < 1) {
      const store = db.createObjectStore('books', { keyPath: 'isbn' })
      store.createIndex('by title', 'title', { unique: true })
      store.put({ title: 'Quarry Memories', author: 'Fred', isbn: 123456, year: 1971 })
      store.put({ title: 'Water Buffaloes', author: 'Fred', isbn: 234567, year: 1983 })
      store.put({ title: 'Bedrock Nights', author: 'Barney', isbn: 345678, year: 1969 })
    }
    if (event.oldVersion < 2) transaction.objectStore('books').createIndex('by author', ['author', 'year'])
  }
  return result(request)
}

await result(indexedDB.deleteDatabase('branch library'))
const db = await open(2)
const books = () => db.transaction('books').objectStore('books')

const byFred = await result(books().index('by author').getAll(IDBKeyRange.bound(['Fred'], ['Fred', []])))
console.log('by Fred:', byFred.map(book => `${book.title} (${book.year})`).join(', '))

// The newest first, two to a page.
async function page (before = Infinity) {
  const records = await result(books().getAllRecords({ query: IDBKeyRange.upperBound(before, true), count: 2, direction: 'prev' }))
  console.log('page:', records.map(record => record.value.title).join(', '))
  if (records.length === 2) await page(records[1].key)
}
await page()

// A second book of that title is refused, and the transaction goes on.
const transaction = db.transaction('books', 'readwrite')
const refused = transaction.objectStore('books').add({ title: 'Bedrock Nights', author: 'Betty', isbn: 456789, year: 2001 })
refused.onerror = event => {
  event.preventDefault()
  console.log('refused:', refused.error.name)
  transaction.objectStore('books').delete(123456)
}
await new Promise(resolve => { transaction.oncomplete = resolve })
console.log('left:', (await result(books().getAllKeys())).join(' '))
db.close()
await closeFactory(indexedDB)
